//! What is uploaded, under which names, and how.

use plugin_sdk::{HookError, log::Level};
use serde_json::json;

use super::{DEADLINE, fake::Fake};

#[test]
fn a_file_is_published_under_its_name_or_its_path() {
    let host = Fake::new().file("out/a.txt").file("/tmp/b.zip");
    let list = json!([
        {"type": "file", "path": "out/a.txt", "name": "public/a"},
        {"type": "file", "path": "out/a.txt"},
        {"type": "file", "path": "/tmp/b.zip"},
    ]);
    assert!(matches!(host.publish(list), Ok(true)));
    assert_eq!(
        host.uploads.take(),
        [
            "public/a out/a.txt gzip text/plain; charset=utf-8 -",
            "out/a.txt out/a.txt gzip text/plain; charset=utf-8 -",
            "/tmp/b.zip /tmp/b.zip identity application/zip -",
        ]
    );
    assert_eq!(
        host.lines(Level::Info)[0],
        "Uploading artifact public/a from file out/a.txt with content encoding \"gzip\", mime type \
         \"text/plain; charset=utf-8\" and expiry 2026-09-21T17:00:00.000Z"
    );
}

#[test]
fn a_task_says_how_its_artifacts_are_served() {
    let host = Fake::new().folder("out", &["a.png"]);
    let list = json!([{"type": "directory", "path": "out", "name": "x", "contentType": "text/html",
                       "contentEncoding": "gzip", "expires": DEADLINE}]);
    assert!(matches!(host.publish(list), Ok(true)));
    assert_eq!(
        host.uploads.take(),
        [format!("x/a.png out/a.png gzip text/html {DEADLINE}")]
    );
    assert!(host.lines(Level::Info)[0].ends_with(&format!("and expiry {DEADLINE}")));
}

#[test]
fn every_file_of_a_directory_is_an_artifact() {
    for (path, name, prefix) in [
        ("out", json!(null), "out/"),
        ("out", json!("public/"), "public/"),
        ("out", json!("."), ""),
        ("/tmp/out/", json!(null), "/tmp/out/"),
    ] {
        let host = Fake::new().folder(path, &["a", "b/c.log"]);
        let mut entry = json!({"type": "directory", "path": path});
        if !name.is_null() {
            entry["name"] = name;
        }
        assert!(matches!(host.publish(json!([entry])), Ok(true)));
        assert_eq!(host.names(), [format!("{prefix}a"), format!("{prefix}b/c.log")]);
    }
}

#[test]
fn an_empty_directory_is_no_artifact() {
    let host = Fake::new().folder("out", &[]);
    assert!(matches!(
        host.publish(json!([{"type": "directory", "path": "out"}])),
        Ok(true)
    ));
    assert!(host.uploads.take().is_empty() && host.errors.take().is_empty());
}

#[test]
fn the_log_is_not_the_tasks_to_publish() {
    let host = Fake::new()
        .file("log")
        .folder("log", &["a"])
        .folder("all", &["backing", "b"]);
    let list = json!([
        {"type": "file", "path": "log"},
        {"type": "directory", "path": "all", "name": "log"},
        {"type": "file", "path": "missing", "name": "log/backing"},
    ]);
    assert!(matches!(host.publish(list), Ok(true)));
    assert_eq!(host.names(), ["log/b"]);
    assert_eq!(host.lines(Level::Warn).len(), 3);
    assert!(host.errors.take().is_empty());
}

#[test]
fn a_file_that_is_listed_alone_and_in_its_directory_is_uploaded_once() {
    let host = Fake::new().file("out/a.txt").folder("./out", &["a.txt", "b.txt"]);
    let list = json!([
        {"type": "file", "path": "out/a.txt"},
        {"type": "directory", "path": "./out", "name": "out"},
    ]);
    assert!(matches!(host.publish(list), Ok(true)));
    assert_eq!(host.names(), ["out/a.txt", "out/b.txt"]);
}

#[test]
fn two_different_files_of_one_name_are_malformed_and_all_others_are_published() {
    let host = Fake::new().folder("one", &["a", "b"]).folder("two", &["a", "c"]);
    let list = json!([
        {"type": "directory", "path": "one", "name": "x"},
        {"type": "directory", "path": "two", "name": "x"},
    ]);
    let answer = host.publish(list);
    assert!(
        matches!(&answer, Err(HookError::MalformedPayload(why)) if why.starts_with("artifact x/a ") && why.lines().count() == 1),
        "{answer:?}"
    );
    assert_eq!(host.names(), ["x/a", "x/b", "x/c"]);
}

#[test]
fn a_large_directory_is_never_queued_as_a_whole() {
    let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let host = Fake::new().folder("out", &names);
    assert!(matches!(
        host.publish(json!([{"type": "directory", "path": "out"}])),
        Ok(true)
    ));
    assert_eq!(host.names().len(), 200);
    assert!(host.most_queued.get() <= 32);
}
