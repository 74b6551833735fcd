//! A queue that answers errors, hangs, resets or is gone for a while, in each call that a worker makes of it: no task notices.

use std::time::Duration;

use queue::wire::TaskState;
use serde_json::json;

use crate::kit::{Call, Definition, Expected, Fault, Proxy, Scene, check};

/// What goes wrong, and how often in a row.
const FAULTS: [(Fault, usize); 5] = [
    (Fault::Status(500), 2),
    (Fault::Hang, 1),
    (Fault::Reset, 2),
    (Fault::LoseAnswer, 1),
    (Fault::Gone(Duration::from_millis(1500)), 1),
];

/// Runs a task for each fault, which strikes while the task is at a call. Each completes in its only run, and what it
/// published is there.
async fn survives_in(call: Call, claims: &str) {
    let scene = Scene::with_claims_of(claims).await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let _worker = scene
        .worker()
        .all_plugins()
        .through(&proxy)
        .set("/queue", json!({"callTimeout": "2s", "claimTimeout": "25s"}))
        .start();
    for (number, (fault, times)) in FAULTS.into_iter().enumerate() {
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
        let struck = proxy.struck();
        proxy.fault(call, fault, times);
        let task_id = scene.create(&Definition::new(&payload).retries(5)).await;
        if call == Call::Reclaim {
            // One that works follows, while the task still runs.
            proxy.until_struck(struck + times).await;
            let reclaims = proxy.seen(Call::Reclaim);
            proxy.until_seen(Call::Reclaim, reclaims + 1).await;
        }
        std::fs::write(&gate, "").unwrap();
        check(
            &scene,
            &task_id,
            &format!("{fault:?} in {call:?}"),
            &Expected::completed().says("SUCCEEDED"),
        )
        .await;
        assert_eq!(
            proxy.struck(),
            struck + times,
            "{fault:?} in {call:?} did not strike"
        );
        assert_eq!(
            scene.status(&task_id).await.runs.len(),
            1,
            "{fault:?} in {call:?}"
        );
        assert_eq!(
            scene.fetch(&task_id, "public/out.txt").await.text,
            format!("{number}\n")
        );
    }
}

#[tokio::test]
async fn a_queue_that_does_not_renew_claims_for_a_while_is_asked_again() {
    survives_in(Call::Reclaim, "12s").await;
}

#[tokio::test]
async fn a_queue_that_does_not_create_artifacts_for_a_while_is_asked_again() {
    survives_in(Call::CreateArtifact, "20m").await;
}

#[tokio::test]
async fn a_queue_that_does_not_take_bytes_for_a_while_is_asked_again() {
    survives_in(Call::Put, "20m").await;
}

#[tokio::test]
async fn a_queue_that_does_not_take_reports_for_a_while_is_asked_again() {
    survives_in(Call::Report, "20m").await;
}

#[tokio::test]
async fn a_queue_that_grants_no_claims_for_a_while_is_asked_again() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    // A lost claim is another matter: see `claims`.
    let faults = [
        (Fault::Status(500), 2),
        (Fault::Hang, 1),
        (Fault::Reset, 1),
        (Fault::Gone(Duration::from_millis(1500)), 1),
    ];
    let mut workers = Vec::new();
    for (fault, times) in faults {
        proxy.fault(Call::Claim, fault, times);
        let struck = proxy.struck();
        let task_id = scene.create_task(&json!({"steps": []})).await;
        // A worker each: an earlier one's open claim would get the task without anything going wrong.
        let worker = scene
            .worker()
            .mock()
            .named(&format!("worker-{}", workers.len()))
            .task_limit(1)
            .through(&proxy)
            .set("/queue/claimTimeout", json!("3s"))
            .start();
        workers.push(worker);
        check(&scene, &task_id, &format!("{fault:?}"), &Expected::completed()).await;
        assert!(proxy.struck() > struck, "{fault:?} did not strike");
    }
    for worker in &mut workers {
        assert_eq!(worker.ended().await, Some(0));
    }
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
