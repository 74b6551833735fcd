//! The rules of tasks, without a queue.

use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::{RunState, TaskState};
use serde_json::{Value, json};

use super::*;
use crate::{clock, error::Code};

fn at(seconds: i64) -> DateTime<Utc> {
    clock::from_millis(1_800_000_000_000) + TimeDelta::seconds(seconds)
}

fn request() -> Value {
    json!({
        "taskQueueId": "proj/ci",
        "created": at(0).to_rfc3339(),
        "deadline": at(3600).to_rfc3339(),
        "retries": 2,
        "payload": { "command": ["true"] },
        "metadata": { "name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com" },
    })
}

fn worker() -> Worker {
    Worker {
        group: "wg".to_owned(),
        id: "w1".to_owned(),
    }
}

fn task() -> Task {
    let task_id = slugid::v4();
    let Draft(definition) = Draft::read(&task_id, &request()).unwrap();
    Task::new(task_id, definition)
}

fn running() -> Task {
    let mut task = task();
    assert_eq!(task.schedule(at(0)), Ok(Change::Made));
    assert_eq!(task.claim(&worker(), at(1), at(100)), Ok(0));
    task
}

#[test]
fn a_task_goes_from_unscheduled_to_completed() {
    let mut task = task();
    assert_eq!(task.state(), TaskState::Unscheduled);
    assert_eq!(task.schedule(at(0)), Ok(Change::Made));
    assert_eq!(task.state(), TaskState::Pending);
    assert_eq!(task.schedule(at(0)), Ok(Change::None));
    assert_eq!(task.claim(&worker(), at(1), at(100)), Ok(0));
    assert_eq!(task.taken_until(), Some(at(100)));
    assert_eq!(task.claim(&worker(), at(1), at(100)), Err(Refusal::NotRunning));
    assert_eq!(task.resolve(0, Resolution::Completed, at(2)), Ok(Change::Made));
    assert!(task.is_resolved());
    assert_eq!(task.taken_until(), None);
    assert_eq!(task.runs[0].reason_resolved.as_deref(), Some("completed"));
    assert_eq!(task.runs[0].resolved, Some(at(2)));
}

#[test]
fn reports_are_idempotent_and_contradictions_are_refused() {
    let mut task = running();
    assert_eq!(task.resolve(0, Resolution::Failed, at(2)), Ok(Change::Made));
    assert_eq!(task.resolve(0, Resolution::Failed, at(3)), Ok(Change::None));
    assert_eq!(
        task.resolve(0, Resolution::Completed, at(3)),
        Err(Refusal::NotRunning)
    );
    let shutdown = Resolution::exception("worker-shutdown").unwrap();
    assert_eq!(task.resolve(0, shutdown, at(3)), Err(Refusal::NotRunning));
    assert_eq!(
        task.resolve(1, Resolution::Failed, at(3)),
        Err(Refusal::NotRunning)
    );
    assert_eq!(task.runs.len(), 1);
}

#[test]
fn lost_and_intermittent_runs_are_retried_until_no_retries_are_left() {
    for (reason, created) in [("worker-shutdown", "retry"), ("intermittent-task", "task-retry")] {
        let mut task = running();
        let resolution = Resolution::exception(reason).unwrap();
        for run_id in 0..2 {
            assert_eq!(task.resolve(run_id, resolution, at(2)), Ok(Change::Made));
            // Saying it again, while the retry is pending, changes nothing.
            assert_eq!(task.resolve(run_id, resolution, at(2)), Ok(Change::None));
            assert_eq!(task.state(), TaskState::Pending);
            assert_eq!(task.runs.last().unwrap().reason_created, created);
            assert_eq!(task.claim(&worker(), at(3), at(100)), Ok(run_id + 1));
        }
        assert_eq!(task.retries_left, 0);
        assert_eq!(task.resolve(2, resolution, at(4)), Ok(Change::Made));
        assert_eq!(task.state(), TaskState::Exception);
    }
}

#[test]
fn other_exceptions_are_not_retried() {
    for reason in ["malformed-payload", "resource-unavailable", "internal-error"] {
        let mut task = running();
        let resolution = Resolution::exception(reason).unwrap();
        assert_eq!(task.resolve(0, resolution, at(2)), Ok(Change::Made));
        assert_eq!(task.state(), TaskState::Exception);
        assert_eq!(task.retries_left, 2);
    }
    for reason in ["canceled", "claim-expired", "deadline-exceeded", "superseded", ""] {
        assert_eq!(Resolution::exception(reason), None, "{reason}");
    }
}

#[test]
fn claims_move_on_and_run_out() {
    let mut task = running();
    assert_eq!(task.reclaim(0, at(50), at(150)), Ok(Change::Made));
    assert_eq!(task.reclaim(0, at(50), at(140)), Ok(Change::None));
    assert_eq!(task.taken_until(), Some(at(150)));
    assert_eq!(task.expire_claim(at(149)), Change::None);
    assert_eq!(task.expire_claim(at(150)), Change::Made);
    assert_eq!(task.runs[0].reason_resolved.as_deref(), Some("claim-expired"));
    assert_eq!(task.runs[1].reason_created, "retry");
    assert_eq!(task.retries_left, 1);
    assert_eq!(task.reclaim(0, at(151), at(200)), Err(Refusal::NotRunning));
    assert_eq!(
        task.resolve(0, Resolution::Completed, at(151)),
        Err(Refusal::NotRunning)
    );
}

#[test]
fn a_canceled_task_has_a_run_that_says_so_and_can_be_run_again() {
    let mut task = task();
    assert_eq!(task.cancel(at(1)), Ok(Change::Made));
    assert_eq!(task.runs[0].reason_created, "exception");
    assert_eq!(task.runs[0].reason_resolved.as_deref(), Some("canceled"));
    assert_eq!(task.cancel(at(2)), Ok(Change::None));
    assert_eq!(task.schedule(at(2)), Ok(Change::None));
    assert_eq!(task.state(), TaskState::Exception);
    assert_eq!(task.rerun(at(3)), Ok(Change::Made));
    assert_eq!(task.state(), TaskState::Pending);
    assert_eq!(task.rerun(at(3)), Ok(Change::None));

    let mut task = running();
    assert_eq!(task.cancel(at(2)), Ok(Change::Made));
    assert_eq!(task.runs.len(), 1);
    assert_eq!(task.runs[0].state, RunState::Exception);
    assert_eq!(
        task.resolve(0, Resolution::Completed, at(3)),
        Err(Refusal::NotRunning)
    );
}

#[test]
fn nothing_but_reports_is_taken_past_the_deadline() {
    let (mut unscheduled, mut task) = (self::task(), running());
    assert_eq!(task.exceed_deadline(at(3599)), Change::None);
    assert_eq!(unscheduled.schedule(at(3601)), Err(Refusal::PastDeadline));
    assert_eq!(task.reclaim(0, at(3600), at(9999)), Err(Refusal::PastDeadline));
    assert_eq!(task.cancel(at(3601)), Err(Refusal::PastDeadline));
    assert_eq!(task.exceed_deadline(at(3600)), Change::Made);
    assert_eq!(task.runs[0].reason_resolved.as_deref(), Some("deadline-exceeded"));
    assert_eq!(task.state(), TaskState::Exception);
    assert_eq!(task.exceed_deadline(at(3601)), Change::None);
    assert_eq!(task.rerun(at(3601)), Err(Refusal::PastDeadline));
    assert_eq!(unscheduled.exceed_deadline(at(3600)), Change::Made);
    assert_eq!(unscheduled.runs[0].reason_created, "exception");
}

#[test]
fn no_task_has_more_than_fifty_runs() {
    let mut task = running();
    let mut runs = 0;
    loop {
        assert_eq!(task.resolve(runs, Resolution::Failed, at(2)), Ok(Change::Made));
        match task.rerun(at(2)) {
            Ok(_) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyRuns);
                break;
            }
        }
        runs += 1;
        assert!(task.retries_left as usize + task.runs.len() <= MAX_RUNS);
        assert_eq!(task.claim(&worker(), at(2), at(100)), Ok(runs));
    }
    assert_eq!(task.runs.len(), MAX_RUNS);
}

#[test]
fn defaults_are_filled_in() {
    let task = task();
    let definition = serde_json::to_value(&task.definition).unwrap();
    for (name, expected) in [
        ("provisionerId", json!("proj")),
        ("workerType", json!("ci")),
        ("taskQueueId", json!("proj/ci")),
        ("schedulerId", json!("-")),
        ("projectId", json!("none")),
        ("taskGroupId", json!(task.task_id)),
        ("dependencies", json!([])),
        ("requires", json!("all-completed")),
        ("routes", json!([])),
        ("priority", json!("lowest")),
        ("scopes", json!([])),
        ("tags", json!({})),
        ("extra", json!({})),
    ] {
        assert_eq!(definition[name], expected, "{name}");
    }
    assert_eq!(
        task.definition.expires,
        task.definition
            .deadline
            .checked_add_months(chrono::Months::new(12))
            .unwrap()
    );
    let mut without_retries = request();
    without_retries.as_object_mut().unwrap().remove("retries");
    let Draft(definition) = Draft::read(&task.task_id, &without_retries).unwrap();
    assert_eq!(definition.retries, 5);
}

/// A request with one property changed, or without it.
fn with(name: &str, value: Option<Value>) -> Value {
    let mut request = request();
    let object = request.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    request
}

#[test]
fn definitions_that_the_schema_refuses_are_refused() {
    let long = |length: usize| json!("x".repeat(length));
    let metadata = |name: &str, value: Value| {
        let mut metadata = request()["metadata"].clone();
        metadata[name] = value;
        Some(metadata)
    };
    let same = slugid::v4();
    let cases = [
        ("taskQueueId", Some(json!("proj"))),
        ("taskQueueId", Some(json!("proj/CI"))),
        ("provisionerId", Some(json!("a b"))),
        ("workerType", Some(json!("CI"))),
        ("schedulerId", Some(long(39))),
        ("projectId", Some(json!("a b"))),
        ("taskGroupId", Some(json!("nope"))),
        ("dependencies", Some(json!(["nope"]))),
        ("dependencies", Some(json!([same, same]))),
        ("dependencies", Some(json!("nope"))),
        ("requires", Some(json!("some"))),
        ("routes", Some(json!([""]))),
        ("routes", Some(json!([long(250)]))),
        ("routes", Some(json!(["a", "a"]))),
        (
            "routes",
            Some(json!((0..65).map(|n| n.to_string()).collect::<Vec<_>>())),
        ),
        ("priority", Some(json!("urgent"))),
        ("retries", Some(json!(50))),
        ("retries", Some(json!(-1))),
        ("retries", Some(json!(1.5))),
        ("retries", Some(json!("1"))),
        ("created", None),
        ("created", Some(json!("yesterday"))),
        ("created", Some(json!("2027-01-15T08:00:00"))),
        ("deadline", None),
        ("expires", Some(json!(7))),
        ("scopes", Some(json!(["ä"]))),
        ("scopes", Some(json!([7]))),
        ("payload", None),
        ("payload", Some(json!([]))),
        ("metadata", None),
        ("metadata", Some(json!({}))),
        ("metadata", metadata("name", long(256))),
        ("metadata", metadata("source", json!("file:///etc/passwd"))),
        ("metadata", metadata("more", json!("x"))),
        ("tags", Some(json!({ "a": 1 }))),
        ("tags", Some(json!({ "a": long(4097) }))),
        ("extra", Some(json!([]))),
        ("comamnd", Some(json!("typo"))),
    ];
    for (name, value) in cases {
        let request = with(name, value);
        let error = Draft::read("x", &request).unwrap_err();
        assert_eq!(error.code, Code::InputValidationError, "{name}: {request}");
        assert!(error.message.contains(name), "{name}: {}", error.message);
    }
}

#[test]
fn the_two_ways_to_name_a_task_queue_must_agree() {
    let mut both = with("provisionerId", Some(json!("proj")));
    both["workerType"] = json!("ci");
    assert!(Draft::read("x", &both).is_ok());
    both["workerType"] = json!("other");
    let mut half = with("taskQueueId", None);
    half["workerType"] = json!("ci");
    for wrong in [both, half, with("taskQueueId", None)] {
        assert_eq!(
            Draft::read("x", &wrong).unwrap_err().code,
            Code::InputError,
            "{wrong}"
        );
    }
}

#[test]
fn a_definition_nested_too_deep_is_refused() {
    let nest = |levels: usize| {
        let mut value = json!({});
        for _ in 0..levels {
            value = json!([value]);
        }
        with("payload", Some(json!({ "a": value })))
    };
    assert!(Draft::read("x", &nest(90)).is_ok());
    assert_eq!(Draft::read("x", &nest(110)).unwrap_err().code, Code::InputError);
}

#[test]
fn times_and_scopes_that_make_no_sense_are_refused() {
    let check = |request: &Value, now| {
        let Draft(definition) = Draft::read("x", request).unwrap();
        check_times(&definition, now)
    };
    let time = |seconds: i64| Some(json!(at(seconds).to_rfc3339()));
    assert_eq!(check(&request(), at(0)), Ok(()));
    assert_eq!(check(&request(), at(899)), Ok(()));
    assert_eq!(check(&request(), at(-899)), Ok(()));
    let day = 24 * 3600;
    for (request, now) in [
        (request(), at(901)),
        (request(), at(-901)),
        (with("deadline", time(-1)), at(0)),
        (with("deadline", time(60)), at(61)),
        (with("deadline", time(5 * day + 901)), at(0)),
        (with("expires", time(3599)), at(0)),
        (with("scopes", Some(json!(["a**"]))), at(0)),
    ] {
        let error = check(&request, now).unwrap_err();
        assert_eq!(error.code, Code::InputError, "{request}");
    }
    assert_eq!(check(&with("deadline", time(5 * day + 899)), at(0)), Ok(()));
}
