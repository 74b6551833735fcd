//! What the parameters of grants let plugins do, and what tasks are told of what they do not.

use serde_json::{Value, json};

use crate::{
    kit::{Expected, Home, Process, Scene, check_all},
    named_by_tests::{ARTIFACTS, ENV},
};

/// A task that says what it finds in its environment.
fn says_its_environment(env: Value) -> Value {
    json!({"command": [["/usr/bin/env"]], "maxRunTime": 600, "env": env})
}

#[tokio::test]
async fn a_task_sets_what_it_likes_in_its_own_environment_where_nobody_has_decided_otherwise() {
    let home = Home::new();
    let task = json!({"payload": says_its_environment(json!({
        "PATH": "/opt/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/opt/lib", "PYTHONPATH": "/opt", "OWN": "own",
    }))});
    let file = home.path().join("task.yml");
    std::fs::write(&file, task.to_string()).unwrap();
    let mut process = Process::start(&home, "run-task", ["run-task", file.to_str().unwrap()]);
    assert_eq!(process.ended().await, Some(0), "{}", process.err());
    let out = process.out();
    for line in [
        "PATH=/opt/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH=/opt/lib",
        "PYTHONPATH=/opt",
        "OWN=own",
    ] {
        assert!(
            out.lines().any(|found| found == line),
            "there is no {line}\n{out}"
        );
    }
}

#[tokio::test]
async fn what_changes_how_programs_are_loaded_must_be_named() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(3).start();
    check_all(
        &scene,
        vec![
            (
                "PATH",
                says_its_environment(json!({"PATH": "/opt/bin"})),
                Expected::exception("malformed-payload")
                    .says("plugin env may not set the variable \"PATH\"")
                    .says("[{environment: {names: [\"*\", PATH]}}] in plugins.env.grants would grant it"),
            ),
            (
                "LD_PRELOAD",
                says_its_environment(json!({"LD_PRELOAD": "/tmp/evil.so"})),
                Expected::exception("malformed-payload").says("LD_PRELOAD"),
            ),
            (
                "an ordinary one",
                says_its_environment(json!({"OWN": "own"})),
                Expected::completed().says("OWN=own"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_grant_with_names_is_for_these_alone() {
    let scene = Scene::new().await;
    let names = json!(["TASK_*", "RUN_ID", "TASKCLUSTER_*", "OWN_*", "PATH"]);
    let _worker = scene
        .worker()
        .all_plugins()
        .set(
            &format!("/plugins/{ENV}/grants"),
            json!([{"environment": {"names": names}}]),
        )
        .set(
            &format!("/plugins/{ARTIFACTS}/grants"),
            json!(["results", {"artifacts": {"names": ["public/build/*"]}}]),
        )
        .concurrency(4)
        .start();
    let publishes = |name: &str| {
        json!({
            "command": [["/bin/sh", "-c", "echo content > file"]],
            "maxRunTime": 600,
            "artifacts": [{"type": "file", "path": "file", "name": name}],
        })
    };
    check_all(
        &scene,
        vec![
            (
                "variables that are named",
                says_its_environment(json!({"OWN_THING": "own", "PATH": "/usr/bin:/bin"})),
                Expected::completed().says("OWN_THING=own"),
            ),
            (
                "one that is not",
                says_its_environment(json!({"OTHER": "own"})),
                Expected::exception("malformed-payload")
                    .says("OTHER among the names of environment in plugins.env.grants would grant it"),
            ),
            (
                "an artifact that is named",
                publishes("public/build/a/file"),
                Expected::completed(),
            ),
            (
                "one that is not",
                publishes("public/other"),
                Expected::failed()
                    .says("plugin artifacts may not create or link to the artifact \"public/other\"")
                    .says("public/other among the names of artifacts in plugins.artifacts.grants would grant it"),
            ),
        ],
    )
    .await;
}
