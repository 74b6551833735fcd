//! What survives a SIGKILL: everything that the queue has acknowledged, and nobody's second worker in one directory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use queue::wire::{CreateArtifactRequest, CreateArtifactResponse, TaskState};
use serde_json::{Value, json};

use crate::kit::{Definition, Expected, Scene, check, eventually, shell, written};

#[tokio::test]
async fn a_queue_that_is_killed_loses_nothing_that_it_acknowledged() {
    let mut scene = Scene::new().await;
    for round in 0..3 {
        let acknowledged = Arc::new(Mutex::new(BTreeMap::<String, Value>::new()));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (queue, acknowledged) = (scene.queue.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    for number in 0.. {
                        let payload = json!({"round": round, "writer": writer, "number": number});
                        let definition = Definition::new(&payload);
                        let task_id = slugid::nice();
                        if queue.create_task(&task_id, definition.json()).await.is_err() {
                            return;
                        }
                        acknowledged.lock().unwrap().insert(task_id, payload);
                    }
                })
            })
            .collect();
        eventually("some tasks are created", async || {
            (acknowledged.lock().unwrap().len() > 30).then_some(())
        })
        .await;
        scene.kill_queue();
        for writer in &writers {
            // Whoever is trying again would go on with the queue that comes.
            writer.abort();
        }
        scene.restart_queue().await;
        let acknowledged = acknowledged.lock().unwrap().clone();
        for (task_id, payload) in acknowledged {
            let task = scene.queue.task(&task_id).await.unwrap();
            assert_eq!(Value::Object(task.payload), payload);
            assert_eq!(scene.status(&task_id).await.state, TaskState::Pending);
        }
    }
}

#[tokio::test]
async fn artifacts_and_claims_outlive_a_queue_that_is_killed() {
    let mut scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().start();
    let files = ["ready", "gate"].map(|name| scene.home().path().join(name));
    let script = format!(
        "echo one > out; echo $$ > {}; while ! test -e {}; do sleep 0.01; done",
        files[0].display(),
        files[1].display()
    );
    let payload = json!({
        "command": [["/bin/sh", "-c", script]],
        "maxRunTime": 600,
        "artifacts": [{"type": "file", "path": "out", "name": "public/out.txt"}],
    });
    let task_id = scene.create(&Definition::new(&payload).retries(5)).await;
    written(&files[0]).await;
    scene.kill_queue();
    // The task ends while there is no queue.
    std::fs::write(&files[1], "").unwrap();
    worker.until_stage(&task_id, "stopped").await;
    scene.restart_queue().await;
    check(&scene, &task_id, "over a restart", &Expected::completed()).await;
    scene.kill_queue();
    scene.restart_queue().await;
    assert_eq!(scene.fetch(&task_id, "public/out.txt").await.text, "one\n");
    let status = scene.status(&task_id).await;
    assert_eq!((status.state, status.runs.len()), (TaskState::Completed, 1));
}

#[tokio::test]
async fn bytes_that_were_put_are_there_after_a_kill() {
    let mut scene = Scene::new().await;
    let task_id = scene.create_task(&json!({})).await;
    let request = queue::wire::ClaimWorkRequest {
        tasks: 1,
        worker_group: "g".to_owned(),
        worker_id: "w".to_owned(),
    };
    let claimed = scene.queue.claim_work("test/it", &request).await.unwrap();
    assert_eq!(claimed.tasks[0].status.task_id, task_id);
    let content = "x".repeat(1 << 20);
    let create = CreateArtifactRequest::S3 {
        expires: chrono::Utc::now() + chrono::TimeDelta::minutes(30),
        content_type: "text/plain".to_owned(),
        content_length: Some(content.len() as u64),
    };
    let created = scene
        .queue
        .create_artifact(&task_id, 0, "public/x", &create)
        .await
        .unwrap();
    let CreateArtifactResponse::S3 { put_url, .. } = created else {
        panic!("{created:?}")
    };
    let put = scene
        .http
        .put(put_url)
        .header("content-type", "text/plain")
        .body(content.clone());
    put.send().await.unwrap().error_for_status().unwrap();
    scene.kill_queue();
    scene.restart_queue().await;
    assert_eq!(scene.fetch(&task_id, "public/x").await.text, content);
}

#[tokio::test]
async fn a_second_worker_in_one_directory_is_refused() {
    let scene = Scene::new().await;
    let mut first = scene.worker().start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let task_id = scene.create_task(&shell(&script)).await;
    first.until_stage(&task_id, "running").await;
    let mut second = crate::kit::Process::start(
        scene.home(),
        "second",
        ["work".as_ref(), first.config().as_os_str()],
    );
    assert_eq!(second.ended().await, Some(4));
    assert!(second.err().contains("is in use by"), "{}", second.err());
    // The first is not disturbed.
    std::fs::write(&gate, "").unwrap();
    check(&scene, &task_id, "the first worker's", &Expected::completed()).await;
    assert!(first.runs());
}

#[tokio::test]
async fn a_second_queue_in_one_directory_is_refused() {
    let scene = Scene::new().await;
    let directory = scene.queue().directory().to_owned();
    let arguments = [
        "queue",
        "--listen",
        "127.0.0.1:0",
        "--directory",
        directory.to_str().unwrap(),
    ];
    let mut second = crate::kit::Process::start(scene.home(), "second", arguments);
    assert_eq!(second.ended().await, Some(4), "{}", second.err());
    scene.queue.ping().await.unwrap();
}

#[tokio::test]
async fn a_queue_that_is_asked_to_stop_answers_those_who_wait_for_work() {
    let mut scene = Scene::new().await;
    let proxy = crate::kit::Proxy::start(scene.queue().address()).await;
    let mut worker = scene.worker().mock().through(&proxy).start();
    proxy.until_seen(crate::kit::Call::Claim, 1).await;
    let process = scene.queue_process();
    process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(process.ended().await, Some(0));
    // The worker goes on, and asks again.
    proxy.until_seen(crate::kit::Call::Claim, 2).await;
    assert!(worker.runs());
}
