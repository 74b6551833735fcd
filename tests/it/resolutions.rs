//! Every resolution and reason, by what the engine does.

use queue::wire::{RunState, TaskState};
use serde_json::{Value, json};

use crate::kit::{Definition, Expected, Scene, check_all};

/// A payload of the mock engine in which one operation goes wrong.
fn fault(operation: &str, fault: Value) -> Value {
    let mut payload = json!({"steps": [], "faults": {}});
    payload["faults"][operation] = fault;
    payload
}

fn error(operation: &str, kind: &str) -> Value {
    fault(
        operation,
        json!({"error": {"kind": kind, "message": "as the payload asks"}}),
    )
}

#[tokio::test]
async fn every_end_of_a_sandbox_has_its_resolution() {
    let scene = Scene::new().await;
    let _worker = scene.worker().mock().concurrency(8).start();
    let exit = |code: i32| json!({"steps": [{"exitCode": code}]});
    check_all(
        &scene,
        vec![
            ("no steps", json!({"steps": []}), Expected::completed()),
            (
                "a step",
                json!({"steps": [{"log": "hello"}]}),
                Expected::completed(),
            ),
            ("exit code 0", exit(0), Expected::completed()),
            ("exit code 1", exit(1), Expected::failed()),
            ("exit code -1", exit(-1), Expected::failed()),
            (
                "an unset variable",
                json!({"steps": [{"printVariable": "NOT_SET"}]}),
                Expected::failed(),
            ),
            (
                "a delayed end",
                fault("wait", json!({"delayMs": 10})),
                Expected::completed(),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_error_of_an_engine_has_its_reason_in_every_operation() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().concurrency(8).start();
    let reasons = [
        ("malformedPayload", "malformed-payload"),
        ("resourceUnavailable", "resource-unavailable"),
        ("internal", "internal-error"),
    ];
    let mut table = Vec::new();
    for operation in ["newBuilder", "start", "wait"] {
        for (kind, reason) in reasons {
            table.push((operation, error(operation, kind), Expected::exception(reason)));
        }
        table.push((
            operation,
            fault(operation, json!("panic")),
            Expected::exception("internal-error"),
        ));
    }
    check_all(&scene, table).await;
    assert!(worker.runs(), "a panic of an engine ended the worker");
}

#[tokio::test]
async fn a_payload_that_does_not_fit_the_schema_is_malformed() {
    let scene = Scene::new().await;
    let _worker = scene.worker().mock().concurrency(8).start();
    let malformed = || Expected::exception("malformed-payload");
    check_all(
        &scene,
        vec![
            ("empty", json!({}), malformed()),
            (
                "an unknown property",
                json!({"steps": [], "stepz": []}),
                malformed(),
            ),
            ("a wrong type", json!({"steps": "none"}), malformed()),
            ("an unknown step", json!({"steps": [{"jump": 1}]}), malformed()),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_goes_wrong_while_a_run_is_disposed_of_does_not_change_its_resolution() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().concurrency(4).start();
    check_all(
        &scene,
        vec![
            ("files stay", error("dispose", "files"), Expected::completed()),
            ("a panic", fault("dispose", json!("panic")), Expected::completed()),
            (
                "a delay",
                fault("dispose", json!({"delayMs": 50})),
                Expected::completed(),
            ),
            ("afterwards", json!({"steps": []}), Expected::completed()),
        ],
    )
    .await;
    assert!(worker.runs());
}

#[tokio::test]
async fn a_worker_that_can_not_end_processes_twice_stops() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().concurrency(4).start();
    let immortal = error("dispose", "processes");
    check_all(
        &scene,
        vec![("the first", immortal.clone(), Expected::completed())],
    )
    .await;
    check_all(
        &scene,
        vec![("after the first", json!({"steps": []}), Expected::completed())],
    )
    .await;
    check_all(&scene, vec![("the second", immortal, Expected::completed())]).await;
    assert_eq!(worker.ended().await, Some(0));
}

#[tokio::test]
async fn a_fatal_error_of_the_engine_stops_the_worker_and_gives_other_runs_back() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().concurrency(2).start();
    let other = scene
        .create(&Definition::new(&json!({"steps": ["forever"]})).retries(1))
        .await;
    worker.until_stage(&other, "running").await;
    let fatal = scene.create_task(&error("start", "fatal")).await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(
        scene.status(&fatal).await.runs[0].reason_resolved.as_deref(),
        Some("internal-error")
    );
    let status = scene.status(&other).await;
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    assert_eq!(
        (status.state, &*status.runs[1].reason_created),
        (TaskState::Pending, "retry")
    );
}

#[tokio::test]
async fn a_run_that_the_worker_gives_back_is_tried_again_as_often_as_the_task_says() {
    let scene = Scene::new().await;
    let task_id = scene
        .create(&Definition::new(&json!({"steps": ["forever"]})).retries(1))
        .await;
    for run in 0..2 {
        let mut worker = scene.worker().mock().start();
        worker.until_stage(&task_id, "running").await;
        worker.stop(2).await;
        assert_eq!(worker.ended().await, Some(0));
        assert_eq!(scene.status(&task_id).await.runs[run].state, RunState::Exception);
    }
    let status = scene.status(&task_id).await;
    assert_eq!(
        (status.state, status.runs.len(), status.retries_left),
        (TaskState::Exception, 2, 0)
    );
    assert!(
        status
            .runs
            .iter()
            .all(|run| run.reason_resolved.as_deref() == Some("worker-shutdown"))
    );
}
