//! A queue that is gone for a while. (What goes wrong with single calls is in `faults`.)
//!
//! Taskcluster's claims are of 20 minutes, and outages of 1, 5 and 13 minutes are survived at any stage of a task. Here a claim
//! is of 12 s, and with it time is a hundred times faster. What the worker does between two attempts is not, so that this is
//! harder than it would be; but for a single case, which only the worker's own clock can show: see the lease's tests for an
//! outage that begins with the first attempt to reclaim.

use std::time::Duration;

use futures_util::future::join_all;
use queue::wire::TaskState;
use serde_json::json;

use crate::kit::{Call, Definition, Expected, Fault, Proxy, Scene, WorkerProcess, check, eventually};

/// Of 20 minutes.
const CLAIM: &str = "12s";
/// Of 1, 5 and 13 minutes.
const OUTAGES: [Duration; 3] = [
    Duration::from_millis(600),
    Duration::from_secs(3),
    Duration::from_millis(7800),
];

/// Where a task is when the queue goes away.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Pending,
    Running,
    /// The bytes of its artifact are on the way.
    Uploading,
    Reporting,
}

#[tokio::test]
async fn an_outage_at_any_stage_loses_no_task() {
    let stages = [Stage::Pending, Stage::Running, Stage::Uploading, Stage::Reporting];
    join_all(stages.map(survives_at)).await;
}

async fn survives_at(stage: Stage) {
    let scene = Scene::with_claims_of(CLAIM).await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene
        .worker()
        .all_plugins()
        .through(&proxy)
        .set("/queue", json!({"callTimeout": "2s", "claimTimeout": "25s"}))
        .start();
    for (number, outage) in OUTAGES.into_iter().enumerate() {
        let gate = scene.home().path().join(format!("gate-{number}"));
        let script = format!(
            "while ! test -e {}; do sleep 0.01; done; echo {number} > out",
            gate.display()
        );
        let payload = json!({
            "command": [["/bin/sh", "-c", script]],
            "maxRunTime": 600,
            "artifacts": [{"type": "file", "path": "out", "name": "public/out.txt"}],
        });
        let definition = Definition::new(&payload).retries(5);
        let task_id = match stage {
            Stage::Pending => {
                until_it_asks(&proxy, &mut worker).await;
                let failed = failed_claims(&worker);
                proxy.go_away(outage).await;
                eventually("the worker has noticed", async || {
                    (failed_claims(&worker) > failed).then_some(())
                })
                .await;
                scene.create(&definition).await
            }
            Stage::Running => {
                let task_id = scene.create(&definition).await;
                worker.until_stage(&task_id, "running").await;
                proxy.go_away(outage).await;
                reclaimed(&proxy, &task_id).await;
                task_id
            }
            Stage::Uploading => {
                proxy.fault(Call::Put, Fault::Gone(outage), 1);
                scene.create(&definition).await
            }
            Stage::Reporting => {
                proxy.fault(Call::Report, Fault::Gone(outage), 1);
                scene.create(&definition).await
            }
        };
        std::fs::write(&gate, "").unwrap();
        let what = format!("{outage:?} without a queue, {stage:?}");
        check(&scene, &task_id, &what, &Expected::completed().says("SUCCEEDED")).await;
        assert_eq!(scene.status(&task_id).await.runs.len(), 1, "{what}");
        let published = scene.fetch(&task_id, "public/out.txt").await.text;
        assert_eq!(published, format!("{number}\n"), "{what}");
    }
    let faults = match stage {
        Stage::Pending | Stage::Running => 0,
        Stage::Uploading | Stage::Reporting => OUTAGES.len(),
    };
    assert_eq!(proxy.struck(), faults);
}

/// Waits until the worker waits for a task: its last claim has arrived, and is not answered.
async fn until_it_asks(proxy: &Proxy, worker: &mut WorkerProcess) {
    eventually("the worker asks for a task", async || {
        assert!(worker.runs());
        let claims = proxy.calls(Call::Claim);
        claims
            .last()
            .is_some_and(|claim| claim.answer.is_none())
            .then_some(())
    })
    .await;
}

fn failed_claims(worker: &WorkerProcess) -> usize {
    let log = worker.err();
    ["could not claim work", "the answer to a claim was lost"]
        .map(|said| log.matches(said).count())
        .iter()
        .sum()
}

/// Waits until the claim of a run was renewed.
async fn reclaimed(proxy: &Proxy, task_id: &str) {
    eventually("the claim is renewed", async || {
        let reclaims = proxy.calls(Call::Reclaim);
        reclaims
            .iter()
            .any(|reclaim| reclaim.path.contains(task_id) && reclaim.answer == Some(200))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_starts_before_its_queue() {
    let mut scene = Scene::new().await;
    scene.kill_queue();
    let mut worker = scene.worker().mock().task_limit(1).start();
    worker.until_err("could not claim work").await;
    scene.restart_queue().await;
    let task_id = scene.create_task(&json!({"steps": []})).await;
    check(&scene, &task_id, "after the queue came", &Expected::completed()).await;
    assert_eq!(worker.ended().await, Some(0));
}

#[tokio::test]
async fn a_run_ends_when_its_claim_could_not_be_renewed() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene
        .worker()
        .mock()
        .through(&proxy)
        .set("/queue/callTimeout", json!("1s"))
        .start();
    proxy.fault(Call::Reclaim, Fault::Status(500), usize::MAX);
    let task_id = scene
        .create(&Definition::new(&json!({"steps": ["forever"]})).retries(1))
        .await;
    worker.until_err("resolution=exception/claim-lost").await;
    proxy.lift();
    let run = scene.run_resolved(&task_id, 0).await;
    assert_eq!(run.reason_resolved.as_deref(), Some("claim-expired"));
    // The second run is the same worker's: it goes on.
    worker
        .until_err(&format!("run={task_id}/1 stage=\"running\""))
        .await;
    assert_eq!(scene.status(&task_id).await.state, TaskState::Running);
}
