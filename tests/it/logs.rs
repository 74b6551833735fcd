//! The task log: followed while it is written, linked when it is whole, and there whatever became of the task.

use queue::wire::ArtifactContent;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    kit::{Expected, Plugin, Scene, check, eventually},
    named_by_tests::RECORDER,
};

const LIVE: &str = "public/logs/live.log";
const BACKING: &str = "public/logs/live_backing.log";

/// Prints `first`, waits for a file, prints `second`.
fn gated(scene: &Scene) -> (Value, std::path::PathBuf) {
    let gate = scene.home().path().join("gate");
    let script = format!(
        "echo first; while ! test -e {}; do sleep 0.01; done; echo second",
        gate.display()
    );
    (
        json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600}),
        gate,
    )
}

/// Where the log of a task can be followed, once it can be.
async fn live_url(scene: &Scene, task_id: &str) -> String {
    eventually("the log can be followed", async || {
        match scene.queue.latest_artifact(task_id, LIVE).await {
            Ok(ArtifactContent::Reference { url }) => Some(url),
            _ => None,
        }
    })
    .await
}

#[tokio::test]
async fn a_log_is_followed_while_the_task_runs_and_linked_when_it_is_over() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let (payload, gate) = gated(&scene);
    let task_id = scene.create_task(&payload).await;
    let url = live_url(&scene, &task_id).await;
    let mut answer = scene
        .http
        .get(&url)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let mut followed = Vec::new();
    while !String::from_utf8_lossy(&followed).contains("\nfirst\n") {
        followed.extend(
            answer
                .chunk()
                .await
                .unwrap()
                .expect("the log ended while the task ran"),
        );
    }
    // Somebody who comes later gets it from its beginning too.
    let mut late = scene.http.get(&url).send().await.unwrap();
    let mut from_start = Vec::new();
    while from_start.len() < followed.len() {
        from_start.extend(late.chunk().await.unwrap().unwrap());
    }
    assert!(from_start.starts_with(&followed));
    drop(late);
    std::fs::write(&gate, "").unwrap();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        followed.extend(chunk);
    }
    scene.resolved(&task_id).await;
    let whole = scene.fetch(&task_id, BACKING).await;
    assert_eq!(String::from_utf8(followed).unwrap(), whole.text);
    assert!(whole.is_gzip);
    assert!(
        whole.content_type.starts_with("text/plain"),
        "{}",
        whole.content_type
    );
    assert_eq!(scene.fetch(&task_id, LIVE).await, whole);
    assert_eq!(scene.artifacts(&task_id, 0).await[LIVE].storage_type, "link");
}

#[tokio::test]
async fn nobody_follows_a_log_without_its_token() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let (payload, gate) = gated(&scene);
    let task_id = scene.create_task(&payload).await;
    let url = live_url(&scene, &task_id).await;
    let (rest, token) = url.trim_end_matches('/').rsplit_once('/').unwrap();
    assert!(token.len() >= 22, "{url}");
    let wrong: String = token.chars().map(|c| if c == 'a' { 'b' } else { 'a' }).collect();
    for url in [
        format!("{rest}/{wrong}"),
        format!("{rest}/"),
        url[..url.len() - 1].to_owned(),
    ] {
        let status = scene.http.get(&url).send().await.unwrap().status();
        assert!(status.is_client_error(), "{url}: {status}");
    }
    std::fs::write(&gate, "").unwrap();
    scene.resolved(&task_id).await;
}

#[tokio::test]
async fn a_task_chooses_where_its_logs_are() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let payload = json!({
        "command": [["echo", "hello"]],
        "maxRunTime": 600,
        "logs": {"live": "public/own/live.txt", "backing": "public/own/backing.txt"},
    });
    let task_id = scene.create_task(&payload).await;
    scene.resolved(&task_id).await;
    let artifacts = scene.artifacts(&task_id, 0).await;
    let kinds: Vec<_> = artifacts
        .values()
        .map(|artifact| (&*artifact.name, &*artifact.storage_type))
        .collect();
    assert_eq!(
        kinds,
        [("public/own/backing.txt", "s3"), ("public/own/live.txt", "link")]
    );
    assert!(
        scene
            .fetch(&task_id, "public/own/live.txt")
            .await
            .text
            .contains("\nhello\n")
    );
}

#[tokio::test]
async fn a_task_chooses_which_logs_there_are() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(3).start();
    for (features, expected) in [
        (json!({"liveLog": false}), vec![BACKING]),
        (json!({"liveLog": false, "backingLog": false}), vec![]),
        (json!({}), vec![LIVE, BACKING]),
    ] {
        let payload = json!({"command": [["true"]], "maxRunTime": 600, "features": features});
        let task_id = scene.create_task(&payload).await;
        check(&scene, &task_id, &features.to_string(), &Expected::completed()).await;
        let names: Vec<String> = scene.artifacts(&task_id, 0).await.into_keys().collect();
        assert_eq!(names, expected, "{features}");
    }
}

#[tokio::test]
async fn there_is_a_log_whatever_became_of_the_task() {
    let scene = Scene::with_claims_of("3s").await;
    let mut worker = scene.worker().all_plugins().concurrency(2).start();
    let malformed = scene.create_task(&json!({"maxRunTime": 600})).await;
    let (payload, _) = gated(&scene);
    let canceled = scene.create_task(&payload).await;
    worker.until_stage(&canceled, "running").await;
    scene.queue.cancel_task(&canceled).await.unwrap();
    check(
        &scene,
        &malformed,
        "malformed",
        &Expected::exception("malformed-payload"),
    )
    .await;
    for (task_id, said) in [
        (&malformed, "task.payload.command is missing"),
        (&canceled, "the task was canceled"),
    ] {
        let log = scene.log(task_id).await;
        assert!(
            log.contains("[taskcluster:error] ") && log.contains(said),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_log_that_is_too_long_is_cut_with_a_word_about_it() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .all_plugins()
        .set("/worker/maxLogBytes", json!(20_000))
        .start();
    let script = "i=0; while test $i -lt 2000; do echo a line of some length $i; i=$((i+1)); done";
    let task_id = scene
        .create_task(&json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600}))
        .await;
    check(&scene, &task_id, "a long log", &Expected::completed()).await;
    let log = scene.log(&task_id).await;
    assert!(log.len() < 21_000 && log.len() > 10_000, "{}", log.len());
    assert!(
        log.lines().next_back().unwrap().starts_with("[taskcluster"),
        "{log}"
    );
    assert!(!log.contains("some length 1999"));
}

#[tokio::test]
async fn a_log_begins_with_the_plugins_that_serve_the_task_and_the_hashes_of_their_files() {
    let scene = Scene::new().await;
    let plugins = Plugin::all_ordinary();
    let _worker = scene.worker().all_plugins().start();
    let payload = json!({"command": [["/bin/true"]], "maxRunTime": 600});
    let task_id = scene.create_task(&payload).await;
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    let log = scene.log(&task_id).await;
    let (head, _) = log.split_once("=== Task Starting ===").unwrap();
    for plugin in plugins {
        let sha256 = Sha256::digest(std::fs::read(&plugin.file).unwrap());
        let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = head
            .lines()
            .find(|line| line.contains(&format!("Plugin: {} ", plugin.name)))
            .unwrap_or_else(|| panic!("{} is not there\n{head}", plugin.name));
        assert!(line.starts_with("[taskcluster 20"), "{line}");
        assert!(line.ends_with(&format!("(sha256 {})", &sha256[..12])), "{line}");
    }
}

#[tokio::test]
async fn the_workers_own_log_says_which_run_and_which_hook_a_line_is_of() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(RECORDER, &[]))
        .variable("RUST_LOG", "debug")
        .variable("TASKCLUSTER_WORKER_LOG_FORMAT", "json")
        .start();
    let task_id = scene.create_task(&json!({"steps": []})).await;
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    worker.until_err("recorder: finished").await;
    let log = worker.err();
    let line = log
        .lines()
        .find(|line| line.contains("recorder: finished"))
        .unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let spans = line["spans"].as_array().unwrap();
    assert_eq!(
        spans,
        &[
            json!({"name": "run", "task_id": task_id, "run_id": 0}),
            json!({"name": "hook", "plugin": "recorder", "hook": "finished"}),
        ],
        "{line}"
    );
    // Nothing that signs requests is in any of them.
    assert!(!log.contains(&scene.queue().credentials().access_token));
}
