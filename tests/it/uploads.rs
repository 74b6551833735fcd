//! How artifacts are uploaded: what it costs, and what is said of it.

use std::fs;

use queue::wire::{ArtifactContent, CreateArtifactRequest};
use serde_json::{Value, json};

use crate::kit::{Expected, Scene, check};

/// A payload of a script and what is published of what it leaves behind.
fn publish(script: &str, artifacts: Value) -> Value {
    json!({"command": [["/bin/sh", "-euc", script]], "maxRunTime": 600, "artifacts": artifacts})
}

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn the_memory_of_an_upload_does_not_grow_with_the_file() {
    const LARGE: u64 = 384 << 20;
    for storage_type in ["s3", "object"] {
        let scene = Scene::new().await;
        let worker = scene
            .worker()
            .all_plugins()
            .set("/artifacts/storageType", json!(storage_type))
            .start();
        let upload = async |size: u64, encoding: &str| {
            let file =
                json!({"type": "file", "path": "file", "name": "public/file", "contentEncoding": encoding});
            let task_id = scene
                .create_task(&publish(&format!("truncate -s {size} file"), json!([file])))
                .await;
            check(&scene, &task_id, "a sparse file", &Expected::completed()).await;
            let length = scene.artifacts(&task_id, 0).await["public/file"].content_length;
            (peak(worker.pid()), length)
        };
        let (small, _) = upload(1 << 20, "identity").await;
        let (large, length) = upload(LARGE, "identity").await;
        // The object service is not told it by way of the queue.
        assert_eq!(length, (storage_type == "s3").then_some(LARGE));
        let (compressed, _) = upload(LARGE, "gzip").await;
        let grown = large.max(compressed).saturating_sub(small);
        assert!(
            grown < 32 << 10,
            "{storage_type}: {small} KiB, {large} KiB, {compressed} KiB"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_the_queue_ends_one_artifact_and_a_table_says_what_became_of_all() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().start();
    let gate = scene.home().path().join("gate");
    let script = format!(
        "while ! test -e {}; do sleep 0.01; done; echo a > a.txt",
        gate.display()
    );
    let list = json!([
        {"type": "file", "path": "a.txt", "name": "public/taken.txt"},
        {"type": "file", "path": "a.txt", "name": "public/a.txt"},
        {"type": "file", "path": "a.txt", "name": "public/plain.txt", "contentEncoding": "identity"},
        {"type": "file", "path": "gone", "name": "public/gone", "optional": true},
        {"type": "file", "path": "a.txt", "name": ".."},
    ]);
    let task_id = scene.create_task(&publish(&script, list)).await;
    worker.until_stage(&task_id, "running").await;
    let other = CreateArtifactRequest::Reference {
        expires: scene.status(&task_id).await.expires,
        content_type: "text/x-other".to_owned(),
        url: "https://example.com".to_owned(),
    };
    scene
        .queue
        .create_artifact(&task_id, 0, "public/taken.txt", &other)
        .await
        .unwrap();
    fs::write(&gate, "").unwrap();
    let expected = Expected::exception("malformed-payload")
        .says("[taskcluster:error] plugin artifacts: artifact public/taken.txt can't be published twice with different content: ")
        .says("] plugin artifacts: Artifacts: 2 uploaded (4 B), 2 failed, 1 left out\n")
        .says("] plugin artifacts:   name                    size  encoding  outcome\n")
        .says("] plugin artifacts:   public/taken.txt           -  gzip      failed: artifact public/taken.txt: Taskcluster answers 409 RequestConflict: ")
        .says("] plugin artifacts:   public/a.txt             2 B  gzip      uploaded\n")
        .says("] plugin artifacts:   public/plain.txt         2 B  identity  uploaded\n")
        .says("] plugin artifacts:   public/gone                -  -         missing (optional): file-missing-on-worker: there is no file at 'gone'\n")
        .says("] plugin artifacts:   ..                         -  -         failed: invalid-resource-on-worker: ");
    check(&scene, &task_id, "refused", &expected).await;
    assert_eq!(scene.fetch(&task_id, "public/a.txt").await.text, "a\n");
    let place = scene.place(&task_id, "%2E%2E").await;
    assert!(matches!(place, ArtifactContent::Error { .. }), "{place:?}");
    assert!(worker.runs());
}
