//! What the task's log says of artifacts.

use plugin_sdk::{Error, HookError, log::Level};
use serde_json::{Value, json};

use super::fake::Fake;

/// The rows of the table, without its two first lines.
fn rows(host: &Fake) -> Vec<String> {
    let lines = host.lines(Level::Info);
    let table = lines.iter().skip_while(|line| !line.starts_with("Artifacts: "));
    table.skip(2).map(|row| row.trim().to_owned()).collect()
}

#[test]
fn a_table_of_what_became_of_each_artifact_ends_the_upload() {
    let host = Fake::new()
        .file("a.txt")
        .file("b.png")
        .file("log")
        .file("taken")
        .file("refused")
        .file("odd")
        .answering("taken", Error::Conflict("taken".to_owned()))
        .answering("refused", Error::Other("Taskcluster answers 403".to_owned()))
        .answering("odd", Error::Invalid("no".to_owned()))
        .folder("out", &["x", "ä"]);
    let list = json!([
        {"type": "file", "path": "refused"},
        {"type": "file", "path": "taken"},
        {"type": "file", "path": "odd", "optional": true},
        {"type": "file", "path": "a.txt"},
        {"type": "file", "path": "b.png"},
        {"type": "file", "path": "log"},
        {"type": "file", "path": "gone", "optional": true},
        {"type": "directory", "path": "lost"},
        {"type": "directory", "path": "out"},
    ]);
    let answer = host.publish(list);
    assert!(matches!(&answer, Err(HookError::Internal(_))), "{answer:?}");
    let rows = rows(&host);
    let expected = [
        ("refused", "gzip", "failed: Taskcluster answers 403"),
        ("taken", "gzip", "failed: taken"),
        ("odd", "gzip", "missing (optional): no"),
        ("a.txt", "gzip", "uploaded"),
        ("b.png", "identity", "uploaded"),
        ("log", "-", "left out: the worker publishes another of this name"),
        (
            "gone",
            "-",
            "missing (optional): file-missing-on-worker: there is no file at 'gone'",
        ),
        (
            "lost",
            "-",
            "failed: file-missing-on-worker: there is no directory at 'lost'",
        ),
        ("out/x", "gzip", "uploaded"),
    ];
    for (row, (name, encoding, outcome)) in rows.iter().zip(expected) {
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[0], name);
        assert!(row.contains(&format!("  {encoding} ")), "{row}");
        assert!(row.ends_with(outcome), "{row}");
    }
    assert_eq!(rows.len(), expected.len() + 1, "{rows:#?}");
    assert!(rows.last().unwrap().starts_with("out/ä "));
    assert!(
        host.lines(Level::Info)
            .contains(&"Artifacts: 3 uploaded (3 B), 4 failed, 3 left out".to_owned())
    );
}

#[test]
fn a_task_without_artifacts_has_no_table() {
    let host = Fake::new();
    assert!(matches!(host.publish(json!([])), Ok(true)));
    assert!(host.lines(Level::Info).is_empty());
}

#[test]
fn of_very_many_artifacts_the_table_is_still_written() {
    let names: Vec<String> = (0..9000).map(|number| format!("{number:0>300}")).collect();
    let list: Value = names
        .iter()
        .map(|path| json!({"type": "file", "path": path}))
        .collect();
    let host = Fake::new();
    assert!(matches!(host.publish(list), Ok(false)));
    let log = host.log.take();
    let bytes: usize = log.iter().map(String::len).sum();
    // The limits of what a plugin may write.
    assert!(
        log.len() < 10_000 && bytes < 4 << 20,
        "{} lines, {bytes} bytes",
        log.len()
    );
    assert!(
        log.last()
            .unwrap()
            .ends_with("… and 8000 more that were not uploaded")
    );
}
