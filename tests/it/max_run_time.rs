//! `maxRunTime`: the task's own limit, and the operator's.

use serde_json::json;

use crate::{
    kit::{Expected, Scene, alive, check, check_all, written},
    named_by_tests::MAXRUNTIME,
};

#[tokio::test]
async fn a_task_that_takes_too_long_fails_with_its_whole_tree() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let file = |name: &str| scene.home().path().join(name);
    let (child, daemon) = (file("child"), file("daemon"));
    let script = format!(
        "echo $$ > {0}; setsid /bin/sh -c 'trap \"\" TERM; echo $$ > {1}; while :; do sleep 1; done' & sleep 100000",
        child.display(),
        daemon.display()
    );
    let payload = json!({"command": [["/bin/sh", "-c", script], ["echo", "ano", "ther"]], "maxRunTime": 2});
    let task_id = scene.create_task(&payload).await;
    let expected = Expected::failed()
        .says("max run time exceeded")
        .says_nothing_of("\nano ther\n");
    check(&scene, &task_id, "too long", &expected).await;
    for path in [child, daemon] {
        assert!(
            !alive(written(&path).await.parse().unwrap()),
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn what_is_in_time_is_not_touched() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let payload = json!({"command": [["sleep", "0.2"]], "maxRunTime": 600});
    let expected = Expected::completed().says_nothing_of("max run time");
    check_all(&scene, vec![("in time", payload, expected)]).await;
}

#[tokio::test]
async fn a_task_may_not_ask_for_more_than_the_operator_allows() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .all_plugins()
        .set(
            &format!("/plugins/{MAXRUNTIME}/config"),
            json!({"maxRunTime": 100}),
        )
        .start();
    let of = |seconds: u32| json!({"command": [["true"]], "maxRunTime": seconds});
    let malformed = Expected::exception("malformed-payload")
        .says("task.payload.maxRunTime")
        .says("100");
    check_all(
        &scene,
        vec![
            ("as much", of(100), Expected::completed()),
            ("more", of(101), malformed),
        ],
    )
    .await;
}
