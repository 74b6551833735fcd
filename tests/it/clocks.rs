//! Workers whose clocks are wrong: half an hour ahead of the queue's, and half an hour behind. Their tasks do not notice.

use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::ArtifactContent;
use serde_json::json;

use crate::kit::{Call, Definition, Expected, Proxy, Scene, SkewedClock, WorkerProcess, check, eventually};

const LIVE: &str = "public/logs/live.log";
/// How far a worker's clock is off.
const HALF_AN_HOUR: TimeDelta = TimeDelta::minutes(30);

/// What the worker's clock showed when it began its log.
fn worker_s_time(worker: &WorkerProcess) -> DateTime<Utc> {
    worker.err().split_whitespace().next().unwrap().parse().unwrap()
}

/// Runs a task that outlasts its claim, in a worker whose clock is so far ahead.
async fn loses_nothing(ahead: TimeDelta) {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let Some(clock) = SkewedClock::build(scene.home()) else {
        return;
    };
    let mut options = scene.worker().all_plugins().through(&proxy);
    for (name, value) in clock.variables(ahead.num_seconds()) {
        options = options.variable(name, &value);
    }
    let before = Utc::now();
    let mut worker = options.start();
    worker.until_err("\n").await;
    // The worker itself sees the wrong time, and would think of this deadline as past if it is ahead.
    assert!(worker_s_time(&worker) >= before + ahead && worker_s_time(&worker) <= Utc::now() + ahead);
    let gate = scene.home().path().join("gate");
    let script = format!(
        "echo begun; while ! test -e {}; do sleep 0.01; done; echo whole > out",
        gate.display()
    );
    let payload = json!({
        "command": [["/bin/sh", "-c", script]],
        "maxRunTime": 600,
        "artifacts": [{"type": "file", "path": "out", "name": "public/out.txt"}],
    });
    let definition = Definition::new(&payload)
        .deadline(before + TimeDelta::minutes(20))
        .retries(5);
    let task_id = scene.create(&definition).await;
    worker.until_stage(&task_id, "running").await;
    let ArtifactContent::Reference { url } = scene.place(&task_id, LIVE).await else {
        panic!("the log can't be followed");
    };
    eventually("the log says what the task says", async || {
        let so_far = scene
            .http
            .get(&url)
            .header("range", "bytes=0-")
            .send()
            .await
            .unwrap();
        so_far.text().await.unwrap().contains("\nbegun\n").then_some(())
    })
    .await;
    let live = &scene.artifacts(&task_id, 0).await[LIVE];
    assert_eq!(live.expires, definition.time("deadline"));
    let first = taken_until(&scene, &task_id).await;
    eventually("the task has outlasted its first claim", async || {
        (taken_until(&scene, &task_id).await > first + TimeDelta::seconds(3)).then_some(())
    })
    .await;
    // At a third of the claim each, and not at once as if it were over.
    assert!((3..20).contains(&proxy.seen(Call::Reclaim)));
    std::fs::write(&gate, "").unwrap();
    check(
        &scene,
        &task_id,
        "a long task",
        &Expected::completed().says("SUCCEEDED"),
    )
    .await;
    assert_eq!(scene.status(&task_id).await.runs.len(), 1);
    assert_eq!(scene.fetch(&task_id, "public/out.txt").await.text, "whole\n");
    for (name, artifact) in scene.artifacts(&task_id, 0).await {
        assert_eq!(artifact.expires, definition.time("expires"), "{name}");
    }
    refused_once_at_most(&proxy);
}

async fn taken_until(scene: &Scene, task_id: &str) -> DateTime<Utc> {
    scene.status(task_id).await.runs[0].taken_until.unwrap()
}

/// What was signed for the wrong time was refused, and signed again at once.
fn refused_once_at_most(proxy: &Proxy) {
    let claims = proxy.calls(Call::Claim);
    let answers: Vec<_> = claims.iter().take(2).map(|claim| claim.answer).collect();
    assert_eq!(answers, [Some(401), Some(200)]);
    for call in [Call::Claim, Call::Reclaim, Call::CreateArtifact, Call::Report] {
        let refused = proxy
            .calls(call)
            .iter()
            .filter(|seen| seen.answer == Some(401))
            .count();
        assert_eq!(refused, usize::from(call == Call::Claim), "{call:?}");
    }
}

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_loses_no_task() {
    loses_nothing(HALF_AN_HOUR).await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_loses_no_task() {
    loses_nothing(-HALF_AN_HOUR).await;
}
