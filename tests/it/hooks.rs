//! Which hooks plugins are called in, and in which order, in the life of a task and in that of the worker.

use serde_json::{Value, json};

use crate::{
    kit::{Call, Plugin, Proxy, Scene, WorkerProcess},
    named_by_tests::{LIFECYCLE, RECORDER},
};

fn recorder() -> Plugin {
    Plugin::misbehaving(RECORDER, &[])
}

/// What the recorder has said of a task, hook by hook.
fn heard(worker: &WorkerProcess, task_id: &str) -> Vec<String> {
    let log = worker.err();
    let of_task = format!(" of {task_id}/0");
    let hooks = log.lines().filter_map(|line| {
        let (_, said) = line.split_once("recorder: ")?;
        let (hook, _) = said.split_once(&of_task)?;
        Some(hook.to_owned())
    });
    hooks.collect()
}

async fn check_hooks(payload: Value, expected: &[&str]) {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().plugin(recorder()).task_limit(1).start();
    let task_id = scene.create_task(&payload).await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(heard(&worker, &task_id), expected, "{payload}");
}

#[tokio::test]
async fn a_task_that_runs_is_told_stage_by_stage() {
    check_hooks(
        json!({"steps": []}),
        &[
            "new-task (valid payload)",
            "build-sandbox",
            "started",
            "stopped (success: true, exit code: Some(0))",
            "finished (success: true)",
        ],
    )
    .await;
    check_hooks(
        json!({"steps": [{"exitCode": 3}]}),
        &[
            "new-task (valid payload)",
            "build-sandbox",
            "started",
            "stopped (success: false, exit code: Some(3))",
            "finished (success: false)",
        ],
    )
    .await;
}

#[tokio::test]
async fn plugins_hear_of_a_malformed_payload_and_of_nothing_that_follows_from_it() {
    let hooks = ["new-task (valid payload)", "exception (malformed-payload)"];
    check_hooks(json!({"steps": 5}), &hooks).await;
}

#[tokio::test]
async fn plugins_hear_why_a_task_ended_where_it_ended() {
    let error = |operation: &str| {
        let mut payload = json!({"steps": [], "faults": {}});
        payload["faults"][operation] =
            json!({"error": {"kind": "resourceUnavailable", "message": "as asked"}});
        payload
    };
    let exception = "exception (resource-unavailable)";
    check_hooks(error("newBuilder"), &["new-task (valid payload)", exception]).await;
    check_hooks(
        error("start"),
        &["new-task (valid payload)", "build-sandbox", exception],
    )
    .await;
    check_hooks(
        error("wait"),
        &["new-task (valid payload)", "build-sandbox", "started", exception],
    )
    .await;
}

#[tokio::test]
async fn plugins_hear_of_a_cancel() {
    let scene = Scene::with_claims_of("3s").await;
    let mut worker = scene.worker().mock().plugin(recorder()).start();
    let task_id = scene.create_task(&json!({"steps": ["forever"]})).await;
    worker.until_stage(&task_id, "running").await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    worker.until_err("run over").await;
    assert_eq!(
        heard(&worker, &task_id).last().map(String::as_str),
        Some("exception (canceled)")
    );
}

#[tokio::test]
async fn plugins_hear_of_the_workers_life() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(recorder())
        .set("/worker/tick", json!("100ms"))
        .start();
    worker.until_err("recorder: worker-started").await;
    worker.until_err("recorder: report-idle").await;
    let running = scene.create_task(&json!({"steps": ["forever"]})).await;
    worker.until_stage(&running, "running").await;
    worker
        .until_err("recorder: report-progress (running: 1, resolved: 0)")
        .await;
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0));
    worker.restart(scene.home());
    let mut fault = json!({"steps": [], "faults": {}});
    fault["faults"]["dispose"] = json!({"error": {"kind": "files", "message": "a file stays"}});
    let task_id = scene.create_task(&fault).await;
    scene.resolved(&task_id).await;
    worker.until_err("recorder: report-non-fatal-error (").await;
    worker
        .until_err("recorder: report-progress (running: 0, resolved: 1)")
        .await;
    assert!(
        worker
            .err()
            .lines()
            .any(|line| line.contains("report-non-fatal-error") && line.contains("a file stays"))
    );
}

#[tokio::test]
async fn a_plugin_stops_a_worker_that_has_nothing_to_do() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene
        .worker()
        .mock()
        .through(&proxy)
        .plugin(Plugin::misbehaving(LIFECYCLE, &["lifecycle"]))
        .set("/plugins/lifecycle", json!({"config": {"idleMs": 0}}))
        .start();
    worker
        .until_err("lifecycle: StopGracefully, stopping: true")
        .await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(
        proxy.seen(Call::Claim),
        0,
        "it asked for work after it was stopped"
    );
}
