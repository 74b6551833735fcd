//! `config check` and `config show`, and values that come from the secrets service.

use serde_json::{Value, json};

use crate::kit::{Expected, Home, Process, Scene, check, shell};

const CONFIG: &str = "\
taskcluster:
  embedded: {directory: queue}
worker:
  taskQueueId: test/it
  directory: state
  concurrency: {$env: COUNT, type: number, default: 2}
engines:
  native: {environment: {WORD: word}}
";

/// Runs a command to its end: exit status, output, log.
async fn command(
    home: &Home,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut process = Process::start_with(home, "command", arguments, variables);
    let status = process.ended().await;
    let end = (status, process.out(), process.err());
    for name in ["command.out", "command.err"] {
        std::fs::remove_file(home.path().join(name)).unwrap();
    }
    end
}

fn write(home: &Home, text: &str) {
    std::fs::write(home.path().join("worker.yml"), text).unwrap();
}

#[tokio::test]
async fn a_config_is_checked_without_beginning_anything() {
    let home = Home::new();
    write(&home, CONFIG);
    let (status, _, err) = command(&home, &["config", "check", "worker.yml"], &[]).await;
    assert_eq!(status, Some(0), "{err}");
    write(
        &home,
        &CONFIG
            .replace("taskQueueId", "taskQueueID")
            .replace("word}", "5}"),
    );
    let (status, _, err) = command(&home, &["config", "check", "worker.yml"], &[]).await;
    assert_eq!(status, Some(2), "{err}");
    for said in [
        "worker.yml:4:3: worker.taskQueueID is not known, did you mean taskQueueId?",
        "worker.yml:8:32: engines.native.environment.WORD must be a string, not a number",
    ] {
        assert!(err.contains(said), "{said}\n{err}");
    }
    assert!(!home.path().join("state").exists() && !home.path().join("queue").exists());
}

#[tokio::test]
async fn a_config_is_shown_with_its_defaults_and_origins() {
    let home = Home::new();
    write(&home, CONFIG);
    let show = ["config", "show", "--origin", "worker.yml"];
    let (status, out, err) = command(&home, &show, &[("COUNT", "7")]).await;
    assert_eq!(status, Some(0), "{err}");
    let has = |value: &str, origin: &str| {
        let found = out.lines().any(|line| {
            let (text, remark) = line.split_once("  # ").unwrap_or((line, ""));
            text.trim() == value && remark == origin
        });
        assert!(found, "{value}  # {origin}\n{out}");
    };
    has("concurrency: 7", "env COUNT");
    has("taskQueueId: test/it", "worker.yml:4:16");
    has("WORD: word", "worker.yml:8:32");
    has("listen: \"127.0.0.1:8042\"", "default");
    has("storageType: s3", "default");
    let (_, out, _) = command(&home, &["config", "show", "--json", "worker.yml"], &[]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["worker"]["concurrency"], 2);
    assert_eq!(shown["worker"]["tick"], "10s");
    // What is shown is a config.
    write(&home, &out);
    let (status, _, err) = command(&home, &["config", "check", "worker.yml"], &[]).await;
    assert_eq!(status, Some(0), "{err}");
}

#[tokio::test]
async fn values_come_from_the_secrets_service_and_are_shown_nowhere() {
    let scene = Scene::new().await;
    let secret = json!({"token": "s3cret-token", "deep": {"count": 3}});
    scene.admin().set_secret("project/it", secret).await;
    let mut worker = scene
        .worker()
        .set(
            "/engines/native/environment",
            json!({"TOKEN": {"$secret": "project/it", "key": "token"}}),
        )
        .set(
            "/worker/concurrency",
            json!({"$secret": "project/it", "key": "deep.count", "type": "number"}),
        )
        .start();
    let task_id = scene.create_task(&shell("test $TOKEN = s3cret-token")).await;
    check(&scene, &task_id, "with a secret", &Expected::completed()).await;
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(!worker.err().contains("s3cret"), "a secret is in the log");
    let file = worker.config().to_str().unwrap();
    for arguments in [
        &["config", "show", "--origin", file][..],
        &["config", "show", "--origin", "--online", file],
        &["config", "show", "--json", "--online", file],
        &["config", "check", file],
        &["config", "check", "--online", file],
    ] {
        let (status, out, err) = command(scene.home(), arguments, &[]).await;
        assert_eq!(status, Some(0), "{arguments:?}\n{err}");
        let credentials = scene.queue().credentials();
        for secret in ["s3cret", &credentials.access_token] {
            assert!(
                !out.contains(secret) && !err.contains(secret),
                "{arguments:?}\n{out}\n{err}"
            );
        }
        if arguments.contains(&"--origin") {
            assert!(out.contains("secret project/it"), "{out}");
        }
    }
}

#[tokio::test]
async fn secrets_that_are_not_there_are_told_before_anything_is_begun() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .set(
            "/engines/native/environment",
            json!({"TOKEN": {"$secret": "project/none"}}),
        )
        .start();
    assert_eq!(worker.ended().await, Some(2));
    let said = worker.err();
    assert!(
        said.contains(
            "engines.native.environment.TOKEN comes from the secret project/none, which does not exist"
        ),
        "{said}"
    );
    assert!(!worker.directory().exists());
}

#[tokio::test]
async fn the_secret_of_a_pool_counts_over_the_file_where_that_is_wanted() {
    let scene = Scene::new().await;
    let over = json!({"config": {"engines": {"native": {"environment": {"WORD": "s3cret"}}}}});
    scene.admin().set_secret("worker-pool:test/it", over).await;
    let worker = scene
        .worker()
        .set("/engines/native/environment", json!({"WORD": "file"}))
        .set("/taskcluster/poolSecret", json!(true))
        .start();
    let task_id = scene.create_task(&shell("test $WORD = s3cret")).await;
    check(&scene, &task_id, "with the secret's word", &Expected::completed()).await;
    assert!(!worker.err().contains("s3cret"));
}
