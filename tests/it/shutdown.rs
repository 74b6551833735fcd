//! How a worker stops: gracefully when it is asked once, at once when it is asked again, in whatever stage its runs are.

use nix::sys::signal::Signal;
use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::{
    kit::{
        Call, Definition, Expected, Fault, Plugin, Proxy, Scene, alive, check, files_below, shell, written,
    },
    named_by_tests::MISBEHAVE,
};

/// A payload that holds its run in a stage for longer than any test.
fn held_in(stage: &str) -> Value {
    let sleep_in = |hook: &str| json!({"steps": [], "misbehave": {"hook": hook, "how": "sleep"}});
    match stage {
        "prepare" => json!({"steps": [], "faults": {"newBuilder": "hang"}}),
        "build" => sleep_in("build-sandbox"),
        "start" => json!({"steps": [], "faults": {"start": "hang"}}),
        "running" => json!({"steps": ["forever"]}),
        "stopped" => sleep_in("stopped"),
        "finished" => sleep_in("finished"),
        other => panic!("nothing holds a run in {other}"),
    }
}

/// A worker that is stopped at once while its run is in a stage gives the run back, and ends.
async fn gives_back_from(stage: &str, payload: &Value) {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .start();
    let task_id = scene.create(&Definition::new(payload).retries(1)).await;
    worker.until_stage(&task_id, stage).await;
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0), "{stage}");
    let status = scene.status(&task_id).await;
    assert_eq!(
        status.runs[0].reason_resolved.as_deref(),
        Some("worker-shutdown"),
        "{stage}"
    );
    assert_eq!(
        (status.state, &*status.runs[1].reason_created),
        (TaskState::Pending, "retry"),
        "{stage}"
    );
}

#[tokio::test]
async fn a_run_that_is_being_prepared_is_given_back() {
    gives_back_from("prepare", &held_in("prepare")).await;
}

#[tokio::test]
async fn a_run_whose_plugins_are_in_new_task_is_given_back() {
    gives_back_from(
        "prepare",
        &json!({"steps": [], "misbehave": {"hook": "new-task", "how": "sleep"}}),
    )
    .await;
}

#[tokio::test]
async fn a_run_that_is_being_built_is_given_back() {
    gives_back_from("build", &held_in("build")).await;
}

#[tokio::test]
async fn a_run_that_is_being_started_is_given_back() {
    gives_back_from("start", &held_in("start")).await;
}

#[tokio::test]
async fn a_run_that_runs_is_given_back() {
    gives_back_from("running", &held_in("running")).await;
}

#[tokio::test]
async fn a_run_that_has_stopped_is_given_back() {
    gives_back_from("stopped", &held_in("stopped")).await;
}

#[tokio::test]
async fn a_run_that_is_being_finished_is_given_back() {
    gives_back_from("finished", &held_in("finished")).await;
}

#[tokio::test]
async fn a_run_whose_plugins_are_told_of_an_exception_keeps_it() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .set("/plugins/misbehave", json!({"limits": {"hookMs": 2000}}))
        .start();
    let payload = json!({"steps": [], "misbehave": {"hook": "exception", "how": "sleep"}});
    let task_id = scene.create_task(&payload).await;
    worker.until_stage(&task_id, "exception").await;
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0));
    check(
        &scene,
        &task_id,
        "an exception",
        &Expected::exception("intermittent-task"),
    )
    .await;
}

#[tokio::test]
async fn a_run_that_is_being_reported_is_reported() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene.worker().mock().through(&proxy).start();
    proxy.fault(Call::Report, Fault::Status(500), 3);
    let task_id = scene.create_task(&json!({"steps": []})).await;
    proxy.until_struck(1).await;
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0));
    check(&scene, &task_id, "reported", &Expected::completed()).await;
}

#[tokio::test]
async fn a_worker_that_is_asked_once_lets_its_task_end_and_claims_no_other() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let payload = json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600});
    let running = scene.create_task(&payload).await;
    worker.until_stage(&running, "running").await;
    let pending = scene.create_task(&payload).await;
    worker.stop(1).await;
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.ended().await, Some(0));
    check(&scene, &running, "the running task", &Expected::completed()).await;
    assert!(scene.log(&running).await.contains("Result: SUCCEEDED"));
    assert_eq!(scene.status(&pending).await.state, TaskState::Pending);
}

#[tokio::test]
async fn a_worker_that_is_asked_twice_kills_its_task_and_leaves_nothing() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().start();
    let file = scene.home().path().join("pid");
    let script = format!(
        "trap '' TERM INT; echo $$ > {}; while :; do sleep 1; done",
        file.display()
    );
    let payload = json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600});
    let task_id = scene.create(&Definition::new(&payload).retries(1)).await;
    let pid = written(&file).await.parse().unwrap();
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(!alive(pid));
    assert_eq!(
        scene.status(&task_id).await.runs[0].reason_resolved.as_deref(),
        Some("worker-shutdown")
    );
    assert_eq!(files_below(&worker.directory().join("tasks")), [""; 0]);
    // The log was published before the worker ended.
    let log = scene
        .queue
        .artifact(&task_id, 0, "public/logs/live.log")
        .await
        .unwrap();
    let queue::wire::ArtifactContent::S3 { url } = log else {
        panic!("{log:?}")
    };
    assert!(scene.get(&url).await.text.contains("the worker is shutting down"));
}

#[tokio::test]
async fn a_worker_that_is_asked_three_times_ends_at_once() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().start();
    // The engine does not let go of it, so that the worker would wait for ever.
    let task_id = scene
        .create_task(&json!({"steps": [], "faults": {"dispose": "hang"}}))
        .await;
    worker.until_stage(&task_id, "dispose").await;
    worker.stop(2).await;
    worker.signal(Signal::SIGTERM);
    // As shells have it: ended by the signal.
    assert_eq!(worker.ended().await, Some(128 + 15));
}

#[tokio::test]
async fn an_idle_worker_lets_its_open_claim_finish_and_gives_back_what_it_brings() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene.worker().mock().through(&proxy).start();
    proxy.until_seen(Call::Claim, 1).await;
    worker.stop(1).await;
    let definition = Definition::new(&json!({"steps": ["forever"]})).retries(1);
    let task_id = scene.create(&definition).await;
    assert_eq!(worker.ended().await, Some(0));
    let status = scene.status(&task_id).await;
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    assert_eq!(status.state, TaskState::Pending);
    assert_eq!(proxy.seen(Call::Claim), 1);
}

#[tokio::test]
async fn a_claim_that_arrives_while_the_worker_stops_now_is_given_back() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene.worker().through(&proxy).start();
    proxy.until_seen(Call::Claim, 1).await;
    worker.stop(2).await;
    let file = scene.home().path().join("ran");
    let payload = shell(&format!(": > {}; sleep 100000", file.display()));
    let task_id = scene.create(&Definition::new(&payload).retries(1)).await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(
        scene.status(&task_id).await.runs[0].reason_resolved.as_deref(),
        Some("worker-shutdown")
    );
}

#[tokio::test]
async fn a_worker_whose_disk_is_gone_gives_its_task_back_and_claims_no_other() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().start();
    let first = scene.create_task(&json!({"steps": []})).await;
    check(&scene, &first, "while the disk is there", &Expected::completed()).await;
    let temporary = worker.directory().join("temporary");
    std::fs::remove_dir_all(&temporary).unwrap();
    std::fs::write(&temporary, "").unwrap();
    let steps = json!({"steps": []});
    let tasks = [
        scene.create(&Definition::new(&steps).retries(1)).await,
        scene.create(&Definition::new(&steps).retries(1)).await,
    ];
    assert_eq!(worker.ended().await, Some(0));
    assert!(worker.err().contains("reason=Internal"), "{}", worker.err());
    let mut given_back = 0;
    for task_id in tasks {
        let status = scene.status(&task_id).await;
        assert_eq!(status.state, TaskState::Pending);
        let reasons: Vec<_> = status
            .runs
            .iter()
            .map(|run| run.reason_resolved.as_deref())
            .collect();
        given_back += usize::from(reasons == [Some("worker-shutdown"), None]);
    }
    assert_eq!(given_back, 1);
}
