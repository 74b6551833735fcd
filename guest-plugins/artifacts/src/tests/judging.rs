//! What a task is told, and how it ends, where something can't be published.

use plugin_sdk::{Error, HookError, log::Level, results::ExtractError};
use serde_json::{Value, json};

use super::fake::Fake;

/// A list of files under their own paths.
fn files(paths: &[&str]) -> Value {
    paths
        .iter()
        .map(|path| json!({"type": "file", "path": path}))
        .collect()
}

fn optional(kind: &str, path: &str) -> Value {
    json!([{"type": kind, "path": path, "optional": true}])
}

fn why(text: &str) -> String {
    text.to_owned()
}

#[test]
fn what_can_not_be_had_fails_the_task_and_everything_else_is_published() {
    let host = Fake::new()
        .bad("secret", ExtractError::NotReadable)
        .bad("huge", ExtractError::TooLarge)
        .bad(
            "outside",
            ExtractError::Refused(Error::Invalid(why("it is outside"))),
        )
        .bad(
            "slow",
            ExtractError::Refused(Error::Limit(why("it took too long"))),
        )
        .folder("folder", &[])
        .file("good");
    let list = files(&["missing", "secret", "huge", "outside", "slow", "folder", "good"]);
    assert!(matches!(host.publish(list), Ok(false)));
    assert_eq!(
        host.errors.take(),
        [
            "missing file-missing-on-worker",
            "secret file-not-readable-on-worker",
            "huge too-large-file-on-worker",
            "outside invalid-resource-on-worker",
            "slow file-not-readable-on-worker",
            "folder invalid-resource-on-worker",
        ]
    );
    assert_eq!(host.names(), ["good"]);
    assert_eq!(
        host.lines(Level::Error)[0],
        "TASK FAILURE during artifact upload: file-missing-on-worker: there is no file at 'missing'"
    );
}

#[test]
fn a_directory_that_can_not_be_had_is_one_error() {
    let host = Fake::new().file("file").bad("secret", ExtractError::NotReadable);
    let list = json!([
        {"type": "directory", "path": "missing", "name": "a"},
        {"type": "directory", "path": "file", "name": "b"},
        {"type": "directory", "path": "secret", "name": "c"},
    ]);
    assert!(matches!(host.publish(list), Ok(false)));
    assert_eq!(
        host.errors.take(),
        [
            "a file-missing-on-worker",
            "b invalid-resource-on-worker",
            "c file-not-readable-on-worker"
        ]
    );
}

#[test]
fn files_of_a_directory_that_can_not_be_had_have_errors_of_their_own_and_the_others_are_published() {
    let host = Fake::new().folder_of(
        "out",
        vec![
            Ok((why("secret"), Err(ExtractError::NotReadable))),
            Ok((why("a"), Ok(()))),
            Ok((why("pipe"), Err(ExtractError::WrongKind))),
            Ok((why("b"), Ok(()))),
        ],
    );
    assert!(matches!(
        host.publish(json!([{"type": "directory", "path": "out"}])),
        Ok(false)
    ));
    assert_eq!(host.names(), ["out/a", "out/b"]);
    assert_eq!(
        host.errors.take(),
        [
            "out/secret file-not-readable-on-worker",
            "out/pipe invalid-resource-on-worker"
        ]
    );
    assert!(host.lines(Level::Error)[0].contains("'out/secret' can't be read"));
}

#[test]
fn a_walk_that_can_not_go_on_ends() {
    let closed = || Err(ExtractError::Refused(Error::Closed));
    let host = Fake::new().folder_of(
        "out",
        vec![Ok((why("a"), Ok(()))), closed(), Ok((why("b"), Ok(())))],
    );
    let answer = host.publish(json!([{"type": "directory", "path": "out"}]));
    assert!(matches!(&answer, Err(HookError::Internal(_))), "{answer:?}");
    assert_eq!(host.names(), ["out/a"]);
}

#[test]
fn a_task_may_succeed_without_what_is_optional() {
    for kind in ["file", "directory"] {
        let host = Fake::new();
        assert!(matches!(host.publish(optional(kind, "missing")), Ok(true)));
        assert_eq!(host.errors.take(), ["missing file-missing-on-worker"]);
        assert!(host.lines(Level::Error).is_empty());
        assert_eq!(host.lines(Level::Warn).len(), 1);
    }
    for error in [
        Error::Unavailable(why("down")),
        Error::Conflict(why("taken")),
        Error::Invalid(why("no")),
        Error::Other(why("changed")),
    ] {
        let host = Fake::new().file("a").answering("a", error);
        assert!(matches!(host.publish(optional("file", "a")), Ok(true)));
        assert_eq!(host.lines(Level::Warn).len(), 1);
    }
}

#[test]
fn a_missing_file_is_no_news_where_the_commands_have_failed() {
    let mut host = Fake::new();
    host.commands_succeeded = false;
    assert!(matches!(host.publish(files(&["missing"])), Ok(false)));
    assert!(host.lines(Level::Error).is_empty());
    assert_eq!(host.lines(Level::Warn).len(), 1);
}

#[test]
fn a_name_that_no_artifact_can_have_is_a_failed_artifact() {
    let long = "a".repeat(1025);
    let host = Fake::new().folder("out", &["ä.txt", "b.txt", &long]);
    assert!(matches!(
        host.publish(json!([{"type": "directory", "path": "out"}])),
        Ok(false)
    ));
    assert_eq!(host.names(), ["out/b.txt"]);
    let errors = host.errors.take();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0], "out/%C3%A4.txt invalid-resource-on-worker");
    assert_eq!(errors[1].len(), 1024 + " invalid-resource-on-worker".len());
    let told = host.lines(Level::Error);
    assert!(
        told[0].contains("out/ä.txt") && told[0].ends_with("(published as out/%C3%A4.txt)"),
        "{told:?}"
    );
}

#[test]
fn names_that_become_the_same_share_an_error() {
    let long = |end: &str| format!("{}{end}", "a".repeat(1024));
    let host = Fake::new().folder("out", &[&long("x"), &long("y")]);
    assert!(matches!(
        host.publish(json!([{"type": "directory", "path": "out"}])),
        Ok(false)
    ));
    assert_eq!(host.errors.take().len(), 1);
    assert_eq!(host.lines(Level::Error).len(), 2);
}

#[test]
fn what_the_queue_answers_decides_who_is_to_blame() {
    let answer = |error: Error| Fake::new().file("a").answering("a", error).publish(files(&["a"]));
    assert!(matches!(
        answer(Error::Conflict(why("x"))),
        Err(HookError::MalformedPayload(_))
    ));
    assert!(matches!(
        answer(Error::Unavailable(why("x"))),
        Err(HookError::ResourceUnavailable(_))
    ));
    assert!(matches!(
        answer(Error::Other(why("x"))),
        Err(HookError::Internal(_))
    ));
    assert!(matches!(answer(Error::Invalid(why("x"))), Ok(false)));
    assert!(matches!(answer(Error::Denied(why("x"))), Ok(false)));
    assert!(matches!(answer(Error::Cancelled), Ok(false)));
}

#[test]
fn the_worst_is_what_is_said() {
    let host = Fake::new()
        .file("a")
        .file("b")
        .file("c")
        .answering("a", Error::Conflict(why("x")))
        .answering("b", Error::Unavailable(why("down")))
        .answering("c", Error::Invalid(why("x")));
    let answer = host.publish(files(&["a", "b", "c", "missing"]));
    assert!(
        matches!(&answer, Err(HookError::ResourceUnavailable(why)) if why == "down"),
        "{answer:?}"
    );
}

#[test]
fn what_will_not_get_better_is_not_tried_again() {
    for error in [
        Error::Unavailable(why("down")),
        Error::Limit(why("no more")),
        Error::Cancelled,
    ] {
        let host = Fake::new().file("a").file("b").refusing("a", error);
        assert!(!matches!(host.publish(files(&["a", "b"])), Ok(true)));
        assert!(host.names().is_empty());
    }
}

#[test]
fn a_used_up_budget_fails_the_task_even_where_the_artifact_is_optional() {
    let host = Fake::new().file("a").refusing("a", Error::Limit(why("no more")));
    assert!(matches!(host.publish(optional("file", "a")), Ok(false)));
    assert!(host.lines(Level::Error)[0].ends_with("no more"));
}

#[test]
fn an_error_artifact_that_the_queue_does_not_take_counts_too() {
    let host = Fake::new().refusing("missing", Error::Unavailable(why("down")));
    let answer = host.publish(files(&["missing"]));
    assert!(
        matches!(&answer, Err(HookError::ResourceUnavailable(_))),
        "{answer:?}"
    );
}
