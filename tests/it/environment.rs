//! What tasks find in their environment.

use serde_json::json;

use crate::{
    kit::{Expected, Scene, check_all},
    named_by_tests::ENV,
};

#[tokio::test]
async fn a_task_knows_who_it_is_and_can_not_pass_for_another() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .all_plugins()
        .set(
            "/worker/metadata",
            json!({"location": "{\"cloud\":\"none\"}", "instanceType": "m1"}),
        )
        .set(
            &format!("/plugins/{ENV}/config"),
            json!({"extra": {"OPERATOR": "operator", "BOTH": "operator"}}),
        )
        .start();
    let payload = json!({
        "command": [["/bin/sh", "-c", "env | sort; test \"$PWD\" = \"$TASK_WORKDIR\" -a \"$PWD\" = \"$HOME\""]],
        "maxRunTime": 600,
        "env": {"OWN": "own value", "BOTH": "own", "TASK_ID": "another", "RUN_ID": "7"},
    });
    let task_id = scene.create_task(&payload).await;
    scene.resolved(&task_id).await;
    let log = scene.log(&task_id).await;
    let root_url = scene.queue().root_url();
    for line in [
        &format!("TASK_ID={task_id}"),
        "RUN_ID=0",
        &format!("TASK_GROUP_ID={task_id}"),
        &format!("TASKCLUSTER_ROOT_URL={root_url}"),
        "TASKCLUSTER_WORKER_LOCATION={\"cloud\":\"none\"}",
        "TASKCLUSTER_INSTANCE_TYPE=m1",
        "OWN=own value",
        "OPERATOR=operator",
        "BOTH=own",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    ] {
        assert!(
            log.lines().any(|found| found == line),
            "there is no {line}\n{log}"
        );
    }
    assert!(log.contains("Exit Code: 0"), "{log}");
}

#[tokio::test]
async fn nothing_of_the_workers_environment_is_there() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .all_plugins()
        .variable("TASKCLUSTER_ACCESS_TOKEN", "s3cret")
        .variable("LANG", "xx_XX")
        .start();
    let payload = json!({"command": [["env"]], "maxRunTime": 600});
    let expected = Expected::completed()
        .says_nothing_of("s3cret")
        .says_nothing_of("xx_XX")
        .says_nothing_of("XDG_");
    check_all(&scene, vec![("the environment", payload, expected)]).await;
}

#[tokio::test]
async fn variables_that_no_environment_can_hold_are_malformed() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    let with = |env: serde_json::Value| json!({"command": [["true"]], "maxRunTime": 600, "env": env});
    let malformed = Expected::exception("malformed-payload");
    check_all(
        &scene,
        vec![
            (
                "a number",
                with(json!({"A": 5})),
                malformed.clone().says("task.payload.env.A must be a string"),
            ),
            (
                "an equals sign",
                with(json!({"A=B": "x"})),
                malformed.clone().says("A=B"),
            ),
            ("an empty name", with(json!({"": "x"})), malformed.clone()),
            ("a NUL", with(json!({"A": "x\u{0}"})), malformed),
        ],
    )
    .await;
}
