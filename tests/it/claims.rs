//! Claims: renewed for as long as a task takes, given up when their worker dies, and nothing left of it.

use queue::wire::TaskState;
use serde_json::json;

use crate::{
    kit::{
        Call, Definition, Expected, Fault, Plugin, Proxy, Scene, alive, cgroups_of, check, eventually, shell,
        written,
    },
    named_by_tests::MISBEHAVE,
};

/// Waits for a task, and compares the reasons of all its runs.
async fn check_runs(scene: &Scene, task_id: &str, reasons: &[&str]) {
    let status = scene.resolved(task_id).await;
    let found: Vec<_> = status
        .runs
        .iter()
        .map(|run| run.reason_resolved.as_deref().unwrap_or("none"))
        .collect();
    assert_eq!(found, reasons);
}

#[tokio::test]
async fn a_claim_is_renewed_for_as_long_as_the_task_takes() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let _worker = scene.worker().through(&proxy).start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let task_id = scene.create(&Definition::new(&shell(&script)).retries(5)).await;
    // At a third of the claim each, so that the task outlasts its first claim.
    proxy.until_seen(Call::Reclaim, 4).await;
    std::fs::write(&gate, "").unwrap();
    check(&scene, &task_id, "a long task", &Expected::completed()).await;
    assert_eq!(scene.status(&task_id).await.runs.len(), 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_its_task_to_another_run_and_nothing_behind() {
    let scene = Scene::with_claims_of("4s").await;
    let mut worker = scene.worker().start();
    let file = scene.home().path().join("pid");
    // Only the first run of it takes long.
    let script = format!(
        "case $TASK_WORKDIR in *_0) ;; *) exit 0;; esac; \
         setsid /bin/sh -c 'trap \"\" TERM; echo $$ > {0}; while :; do sleep 1; done' & sleep 100000",
        file.display()
    );
    let task_id = scene.create(&Definition::new(&shell(&script)).retries(1)).await;
    let pid = written(&file).await.parse().unwrap();
    let folder = worker.folder(&task_id, 0);
    assert!(folder.is_dir());
    worker.kill();
    worker.restart(scene.home());
    check_runs(&scene, &task_id, &["claim-expired", "completed"]).await;
    assert_eq!(scene.status(&task_id).await.runs[1].reason_created, "retry");
    assert!(!alive(pid), "a process of the killed worker is still there");
    assert!(!folder.exists());
    assert_eq!(
        cgroups_of(&format!("{task_id}_0")),
        Vec::<std::path::PathBuf>::new()
    );
    let left: Vec<_> = scene
        .home()
        .processes()
        .into_iter()
        .filter(|(_, line)| line.contains(&*task_id))
        .collect();
    assert_eq!(left, []);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_expires_and_the_task_is_run_again() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let task_id = scene
        .create(&Definition::new(&json!({"steps": []})).retries(1))
        .await;
    proxy.fault(Call::Claim, Fault::LoseAnswer, 1);
    let _worker = scene.worker().mock().through(&proxy).start();
    check_runs(&scene, &task_id, &["claim-expired", "completed"]).await;
}

#[tokio::test]
async fn loops_in_guests_do_not_delay_a_reclaim() {
    let scene = Scene::with_claims_of("3s").await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = scene
        .worker()
        .mock()
        .concurrency(2)
        .through(&proxy)
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .set(
            "/plugins/misbehave",
            json!({"limits": {"cpuMs": 600_000, "hookMs": 600_000}}),
        )
        .start();
    let payload = json!({"steps": ["forever"], "misbehave": {"hook": "started", "how": "loop"}});
    let tasks = [
        scene.create_task(&payload).await,
        scene.create_task(&payload).await,
    ];
    for task_id in &tasks {
        worker.until_stage(task_id, "running").await;
    }
    // Both outlast their first claims.
    proxy.until_seen(Call::Reclaim, 8).await;
    for task_id in &tasks {
        assert_eq!(scene.status(task_id).await.state, TaskState::Running);
        scene.queue.cancel_task(task_id).await.unwrap();
    }
    for task_id in &tasks {
        let over = format!("run={task_id}/0 resolution=exception/canceled");
        eventually("the run is over", async || {
            worker.err().contains(&over).then_some(())
        })
        .await;
    }
}
