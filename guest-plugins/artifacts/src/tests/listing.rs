//! What is wrong with a list before the task runs.

use serde_json::{Value, json};

use super::{DEADLINE, EXPIRES, listed};

fn expiring(expires: &str) -> Value {
    json!([{"type": "file", "path": "a", "expires": expires}])
}

#[test]
fn an_artifact_expires_between_the_deadline_and_the_expiry_of_its_task() {
    for (expires, told) in [
        (DEADLINE, Some(DEADLINE)),
        // A second is forgiven at both ends.
        ("2026-08-22T16:59:59.000Z", Some("2026-08-22T16:59:59.000Z")),
        ("2026-09-01T00:00:00+02:00", Some("2026-09-01T00:00:00+02:00")),
        // When the task does: nothing that the queue need be told.
        (EXPIRES, None),
        ("2026-09-21T17:00:01.000Z", None),
    ] {
        let wanted = listed(expiring(expires)).unwrap();
        let actual = wanted[0].expires.as_ref().map(|time| time.text.as_str());
        assert_eq!(actual, told, "{expires}");
    }
}

#[test]
fn an_artifact_that_expires_at_another_time_is_malformed() {
    for (expires, told) in [
        ("2026-08-22T16:59:58.999Z", "is before the task's deadline"),
        ("2026-08-22T18:00:00+02:00", "is before the task's deadline"),
        ("2026-09-21T17:00:01.001Z", "is after the task expires"),
    ] {
        let problem = listed(expiring(expires)).unwrap_err();
        assert!(
            problem.starts_with(&format!(
                "task.payload.artifacts[0].expires {told}: {expires} is "
            )),
            "{problem}"
        );
    }
}

#[test]
fn every_problem_is_told_on_a_line_of_its_own() {
    let problems = listed(json!([
        {"type": "file", "path": "a", "expires": "2000-01-01T00:00:00Z"},
        {"type": "file", "path": "b"},
        {"type": "file", "path": "c", "name": "b"},
        {"type": "file", "path": "d", "expires": "2100-01-01T00:00:00Z"},
    ]))
    .unwrap_err();
    let lines: Vec<&str> = problems.lines().collect();
    assert_eq!(lines.len(), 3, "{problems}");
    assert!(lines[0].starts_with("task.payload.artifacts[0].expires "));
    assert!(lines[1].starts_with("task.payload.artifacts[2] and task.payload.artifacts[1] "));
    assert!(lines[2].starts_with("task.payload.artifacts[3].expires "));
}

#[test]
fn two_files_of_one_name_must_be_the_same() {
    let two = |one: Value, other: Value| listed(json!([one, other])).is_ok();
    let file = json!({"type": "file", "path": "out/a.txt", "name": "x"});
    for same in [
        file.clone(),
        json!({"type": "file", "path": "./out//a.txt", "name": "x"}),
        json!({"type": "file", "path": "out/a.txt", "name": "x", "contentType": "text/plain; charset=utf-8"}),
        json!({"type": "file", "path": "out/a.txt", "name": "x", "expires": EXPIRES}),
        // Whether these are there is not known yet.
        json!({"type": "file", "path": "b", "name": "x", "optional": true}),
        json!({"type": "directory", "path": "b", "name": "x"}),
    ] {
        assert!(two(file.clone(), same.clone()), "{same}");
    }
    for other in [
        json!({"type": "file", "path": "b", "name": "x"}),
        json!({"type": "file", "path": "out/a.txt", "name": "x", "contentType": "text/html"}),
        json!({"type": "file", "path": "out/a.txt", "name": "x", "contentEncoding": "identity"}),
        json!({"type": "file", "path": "out/a.txt", "name": "x", "expires": DEADLINE}),
    ] {
        assert!(!two(file.clone(), other.clone()), "{other}");
    }
}

#[test]
fn the_same_time_written_differently_is_the_same() {
    let file = |expires| json!({"type": "file", "path": "a", "expires": expires});
    assert!(
        listed(json!([
            file("2026-09-01T00:00:00Z"),
            file("2026-09-01T02:00:00.000+02:00")
        ]))
        .is_ok()
    );
}
