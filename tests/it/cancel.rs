//! Runs that the queue resolves while they run. The worker hears of it when it asks for the state of its tasks, or at its next
//! reclaim.

use chrono::{TimeDelta, Utc};
use queue::wire::TaskState;
use serde_json::json;

use crate::{
    kit::{
        Call, Definition, Expected, Fault, Plugin, Proxy, Scene, alive, check, check_all, eventually,
        files_below, shell, written,
    },
    named_by_tests::LIVELOG,
};

/// Writes its process id, and that of a daemon that it leaves, to files, and sleeps for longer than any test.
fn sleeper(scene: &Scene) -> (serde_json::Value, [std::path::PathBuf; 2]) {
    let files = ["command", "daemon"].map(|name| scene.home().path().join(name));
    let script = format!(
        "setsid /bin/sh -c 'trap \"\" TERM; echo $$ > {1}; while :; do sleep 1; done' >/dev/null 2>&1 & \
         echo $$ > {0}; trap \"\" TERM; while :; do sleep 1; done",
        files[0].display(),
        files[1].display()
    );
    (shell(&script), files)
}

#[tokio::test]
async fn a_canceled_task_is_killed_before_its_command_ends() {
    let scene = Scene::with_claims_of("3s").await;
    let mut worker = scene.worker().plugin(Plugin::ordinary(LIVELOG)).start();
    let (payload, files) = sleeper(&scene);
    let task_id = scene.create_task(&payload).await;
    let mut pids = Vec::new();
    for file in &files {
        pids.push(written(file).await.parse().unwrap());
    }
    scene.queue.cancel_task(&task_id).await.unwrap();
    for pid in pids {
        eventually("the command is gone", async || (!alive(pid)).then_some(())).await;
    }
    worker.until_err("resolution=exception/canceled").await;
    let status = scene.status(&task_id).await;
    assert_eq!((status.state, status.runs.len()), (TaskState::Exception, 1));
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("canceled"));
    eventually("the folder is gone", async || {
        files_below(&worker.directory().join("tasks"))
            .is_empty()
            .then_some(())
    })
    .await;
    check_all(
        &scene,
        vec![("the next task", shell("true"), Expected::completed())],
    )
    .await;
}

#[tokio::test]
async fn a_cancel_is_noticed_long_before_the_claim_is_renewed() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene
        .worker()
        .mock()
        .through(&proxy)
        .concurrency(2)
        .set("/queue/statusInterval", json!("50ms"))
        .start();
    let forever = json!({"steps": ["forever"]});
    let (canceled, other) = (
        scene.create_task(&forever).await,
        scene.create_task(&forever).await,
    );
    worker.until_stage(&canceled, "running").await;
    worker.until_stage(&other, "running").await;
    scene.queue.cancel_task(&canceled).await.unwrap();
    worker.until_err("resolution=exception/canceled").await;
    assert_eq!(proxy.seen(Call::Reclaim), 0);
    // One request asks for all of them.
    let before = proxy.seen(Call::Statuses);
    proxy.until_seen(Call::Statuses, before + 2).await;
    assert_eq!(scene.status(&other).await.state, TaskState::Running);
    assert_eq!(worker.err().matches("run over").count(), 1);
}

#[tokio::test]
async fn a_worker_that_may_not_ask_for_the_state_of_tasks_says_so_once_and_goes_on() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    proxy.fault(Call::Statuses, Fault::Status(403), usize::MAX);
    let mut worker = scene
        .worker()
        .mock()
        .through(&proxy)
        .set("/queue/statusInterval", json!("50ms"))
        .start();
    let task_id = scene.create_task(&json!({"steps": ["forever"]})).await;
    worker.until_stage(&task_id, "running").await;
    proxy.until_struck(3).await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    worker.until_err("resolution=exception/canceled").await;
    assert_eq!(worker.err().matches("queue:status:*").count(), 1);
}

#[tokio::test]
async fn nothing_is_reported_of_a_run_that_the_queue_has_resolved() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene.worker().mock().through(&proxy).start();
    let task_id = scene.create_task(&json!({"steps": ["forever"]})).await;
    worker.until_stage(&task_id, "running").await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    worker.until_err("run over").await;
    assert_eq!(proxy.seen(Call::Report), 0);
    assert!(worker.err().contains("resolution=exception/canceled"));
}

#[tokio::test]
async fn a_report_that_comes_too_late_changes_nothing() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().set("/queue/statusInterval", json!("1h")).start();
    let gate = scene.home().path().join("gate");
    let task_id = scene
        .create_task(&shell(&format!(
            "while ! test -e {}; do sleep 0.01; done",
            gate.display()
        )))
        .await;
    worker.until_stage(&task_id, "running").await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    // Its claim is long, and it does not ask: the worker does not know: the task completes, and the report is refused.
    std::fs::write(&gate, "").unwrap();
    worker.until_err("run over").await;
    assert_eq!(
        scene.status(&task_id).await.runs[0].reason_resolved.as_deref(),
        Some("canceled")
    );
    check_all(
        &scene,
        vec![("the next task", shell("true"), Expected::completed())],
    )
    .await;
}

#[tokio::test]
async fn a_task_is_ended_when_its_deadline_has_passed() {
    let scene = Scene::with_claims_of("3s").await;
    let mut worker = scene.worker().start();
    let (payload, files) = sleeper(&scene);
    let deadline = Utc::now() + TimeDelta::seconds(4);
    let task_id = scene
        .create(&Definition::new(&payload).deadline(deadline).retries(5))
        .await;
    let pid = written(&files[0]).await.parse().unwrap();
    eventually("the command is gone", async || (!alive(pid)).then_some(())).await;
    check(
        &scene,
        &task_id,
        "the deadline",
        &Expected::exception("deadline-exceeded"),
    )
    .await;
    worker.until_err("resolution=exception/deadline-exceeded").await;
    let status = scene.status(&task_id).await;
    assert_eq!((status.state, status.runs.len()), (TaskState::Exception, 1));
}
