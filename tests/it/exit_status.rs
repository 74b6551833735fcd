//! `onExitStatus`: which exit codes are chance.

use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::kit::{Definition, Expected, Scene, check_all};

fn exits(code: i32, retry: &Value) -> Value {
    json!({
        "command": [["/bin/sh", "-c", format!("exit {code}")]],
        "maxRunTime": 600,
        "onExitStatus": {"retry": retry},
    })
}

#[tokio::test]
async fn only_listed_exit_codes_are_chance() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    let malformed = || Expected::exception("malformed-payload").says("onExitStatus.retry");
    check_all(
        &scene,
        vec![
            ("another code", exits(2, &json!([1])), Expected::failed()),
            ("zero", exits(0, &json!([1])), Expected::completed()),
            ("no codes", exits(1, &json!([])), Expected::failed()),
            ("a negative code", exits(1, &json!([-1])), malformed()),
            ("the code zero", exits(1, &json!([0])), malformed()),
            ("a word", exits(1, &json!(["1"])), malformed()),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_listed_exit_code_makes_another_run_as_often_as_the_task_says() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let task_id = scene
        .create(&Definition::new(&exits(75, &json!([3, 75]))).retries(1))
        .await;
    let status = scene.resolved(&task_id).await;
    assert_eq!((status.state, status.runs.len()), (TaskState::Exception, 2));
    assert!(
        status
            .runs
            .iter()
            .all(|run| run.reason_resolved.as_deref() == Some("intermittent-task"))
    );
    assert_eq!(status.runs[1].reason_created, "task-retry");
}

#[tokio::test]
async fn any_of_several_commands_may_exit_by_chance() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let mut payload = exits(9, &json!([9]));
    payload["command"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!(["true"]));
    check_all(
        &scene,
        vec![("the second", payload, Expected::exception("intermittent-task"))],
    )
    .await;
}
