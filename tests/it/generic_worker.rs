//! In generic-worker's place: the config that worker-runner writes, and a task as tasks for generic-worker are.

use serde_json::{Value, json};

use crate::kit::{Expected, RunOptions, Scene, check};

/// What worker-runner adds for a machine of a cloud, as it writes it.
const MACHINE: [(&str, &str); 7] = [
    ("publicIP", "127.0.0.1"),
    ("privateIP", "10.0.0.7"),
    ("instanceType", "m5.large"),
    ("instanceID", "i-0123456789"),
    ("region", "eu-central-1"),
    ("availabilityZone", "eu-central-1a"),
    (
        "workerLocation",
        r#"{"availabilityZone":"eu-central-1a","cloud":"aws","region":"eu-central-1"}"#,
    ),
];

/// A port that nobody listens on.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A task with what generic-worker's tasks have: several commands, variables, artifacts, a limit.
fn payload() -> Value {
    let script = "echo \"$GREETING from $TASKCLUSTER_INSTANCE_TYPE in $TASKCLUSTER_WORKER_LOCATION\"; mkdir out; echo kept > out/kept.txt";
    json!({
        "command": [["/bin/bash", "-c", script], ["/bin/bash", "-c", "echo and again"]],
        "env": {"GREETING": "hello"},
        "maxRunTime": 3600,
        "artifacts": [{"name": "public/out", "path": "out", "type": "directory"}],
        "features": {"liveLog": true},
    })
}

#[tokio::test]
async fn the_config_that_worker_runner_writes_makes_a_worker_for_generic_workers_tasks() {
    let scene = Scene::new().await;
    let mut options = RunOptions::new(&scene);
    for (key, value) in MACHINE {
        options = options.set(&format!("/{key}"), json!(value));
    }
    let port = free_port().await;
    let mut worker = options
        .set("/livelogExposePort", json!(port))
        .set(
            "/workerTypeMetadata",
            json!({"ami-id": "ami-1", "image": {"built": 7}}),
        )
        .set("/numberOfTasksToRun", json!(1))
        .set("/capacity", json!(2))
        .set("/maxTaskRunTime", json!(3600))
        // Given in every generic-worker's config, and nothing of this worker's.
        .set("/ed25519SigningKeyLocation", json!("/etc/key"))
        .set("/enableTaskclusterProxy", json!(true))
        .set("/cachesDir", json!("/caches"))
        .set("/d2gConfig", json!({"enableD2G": true}))
        .set("/somethingOfTheirs", json!(1))
        .start_greeted()
        .await;
    let task_id = scene.create_task(&payload()).await;
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    let log = scene.log(&task_id).await;
    let location = MACHINE[6].1;
    assert!(
        log.contains(&format!("hello from m5.large in {location}")),
        "{log}"
    );
    assert!(log.contains("and again"));
    assert_eq!(scene.fetch(&task_id, "public/out/kept.txt").await.text, "kept\n");
    let run = &scene.status(&task_id).await.runs[0];
    assert_eq!(
        (run.worker_group.as_deref(), run.worker_id.as_deref()),
        (Some("eu-1"), Some("run"))
    );
    let said = worker.log();
    let lines = |level: &str, what: &str| {
        said.lines()
            .filter(|line| line.contains(level) && line.contains(what))
            .count()
    };
    for key in [
        "ed25519SigningKeyLocation",
        "enableTaskclusterProxy",
        "d2gConfig.enableD2G",
    ] {
        assert_eq!(lines("INFO", &format!("{key} has no effect")), 1, "{key}\n{said}");
    }
    assert_eq!(lines("WARN", "somethingOfTheirs"), 1);
    assert_eq!(lines("", "cachesDir"), 0);
}

#[tokio::test]
async fn our_own_part_of_the_config_may_take_values_from_secrets() {
    let scene = Scene::new().await;
    let secret = json!({"token": "s3cret-token"});
    scene.admin().set_secret("project/it", secret).await;
    let mut worker = RunOptions::new(&scene)
        .set(
            "/taskclusterWorker/engines/native/environment",
            json!({"TOKEN": {"$secret": "project/it", "key": "token"}}),
        )
        .set("/numberOfTasksToRun", json!(1))
        .start_greeted()
        .await;
    let script = "test \"$TOKEN\" = s3cret-token";
    let task_id = scene
        .create_task(&json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600}))
        .await;
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "with a secret", &Expected::completed()).await;
    assert!(!worker.out().contains("s3cret") && !worker.err().contains("s3cret"));
}

#[tokio::test]
async fn a_task_may_not_run_for_longer_than_the_config_lets_it() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .set("/maxTaskRunTime", json!(3599))
        .set("/numberOfTasksToRun", json!(1))
        .start_alone();
    let task_id = scene.create_task(&payload()).await;
    assert_eq!(worker.ended().await, Some(0));
    check(
        &scene,
        &task_id,
        "the task",
        &Expected::exception("malformed-payload"),
    )
    .await;
    let events = worker.out();
    assert!(
        events.lines().all(|line| line.starts_with("WORKER_METRICS {")),
        "{events}"
    );
    assert!(events.contains("\"eventType\":\"taskFinish\""));
}

#[tokio::test]
async fn logs_can_be_followed_where_the_config_says_that_the_machine_is() {
    let scene = Scene::new().await;
    let port = free_port().await;
    let mut worker = RunOptions::new(&scene)
        .set("/publicIP", json!("127.0.0.1"))
        .set("/livelogPortBase", json!(port))
        .set("/numberOfTasksToRun", json!(1))
        .start_alone();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let task_id = scene
        .create_task(&json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600}))
        .await;
    worker.until_err("stage=\"running\"").await;
    let place = scene.place(&task_id, "public/logs/live.log").await;
    let queue::wire::ArtifactContent::Reference { url } = place else {
        panic!("{place:?}")
    };
    assert!(url.starts_with(&format!("http://127.0.0.1:{port}/log/")), "{url}");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.ended().await, Some(0));
}
