//! The scopes of a task as its plugins see them: roles among them are expanded by the auth service.

use serde_json::json;

use crate::{
    kit::{Call, Definition, Expected, Fault, Plugin, Proxy, Scene, WorkerOptions, check, segment},
    named_by_tests::RECORDER,
};

/// A role with two scopes, one of them of another role.
async fn create_roles(scene: &Scene) {
    for (role, scopes) in [
        ("project:it", json!(["secrets:get:project/it", "assume:helper"])),
        ("helper", json!(["index:insert-task:it.*"])),
    ] {
        let path = format!("auth/v1/roles/{}", segment(role));
        let body = json!({"description": "", "scopes": scopes});
        scene.admin().call("PUT", &path, Some(body)).await;
    }
}

/// A worker that says what scopes a task has.
fn worker<'a>(scene: &'a Scene, proxy: &Proxy) -> WorkerOptions<'a> {
    scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(RECORDER, &[]))
        .plugin(Plugin::ordinary("livelog"))
        .through(proxy)
}

fn task(scopes: &[&str]) -> Definition {
    Definition::new(&json!({"steps": []})).scopes(scopes)
}

/// How often the auth service was asked.
fn asked(proxy: &Proxy) -> usize {
    let calls = proxy.calls(Call::Other);
    calls
        .iter()
        .filter(|call| call.path.ends_with("/scopes/expand"))
        .count()
}

const EXPANDED: &str = "recorder: scopes: [assume:helper, assume:project:it, index:insert-task:it.*, queue:get-artifact:x, secrets:get:project/it]";

#[tokio::test]
async fn the_roles_of_a_task_are_expanded_for_its_plugins_and_nothing_is_asked_of_tasks_without() {
    let scene = Scene::new().await;
    create_roles(&scene).await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let _worker = worker(&scene, &proxy).start();
    let plain = scene.create(&task(&["queue:get-artifact:x", "secrets:*"])).await;
    let said = Expected::completed().says("recorder: scopes: [queue:get-artifact:x, secrets:*]");
    check(&scene, &plain, "without a role", &said).await;
    assert_eq!(asked(&proxy), 0);
    let with_role = scene
        .create(&task(&["queue:get-artifact:x", "assume:project:it"]))
        .await;
    check(
        &scene,
        &with_role,
        "with a role",
        &Expected::completed().says(EXPANDED),
    )
    .await;
    assert_eq!(asked(&proxy), 1);
}

#[tokio::test]
async fn a_worker_that_may_not_expand_scopes_shows_them_as_they_are_and_says_which_scope_it_lacks() {
    let scene = Scene::new().await;
    create_roles(&scene).await;
    // By what the embedded services are delivered with, everybody may.
    let anonymous = json!({"description": "", "scopes": ["queue:get-artifact:public/*"]});
    scene
        .admin()
        .call("POST", "auth/v1/roles/anonymous", Some(anonymous))
        .await;
    let scopes = json!(["queue:claim-work:*", "queue:worker-id:*", "queue:status:*"]);
    let client = json!({"description": "", "expires": "2999-01-01T00:00:00.000Z", "scopes": scopes});
    let client = scene
        .admin()
        .call("PUT", "auth/v1/clients/restricted", Some(client))
        .await;
    let credentials = json!({"clientId": "restricted", "accessToken": client["accessToken"]});
    let proxy = Proxy::start(scene.queue().address()).await;
    let _worker = worker(&scene, &proxy)
        .set("/taskcluster/credentials", credentials)
        .start();
    let task_id = scene.create(&task(&["assume:project:it"])).await;
    let expected = Expected::completed()
        .says("recorder: scopes: [assume:project:it]")
        .says("[taskcluster:warn")
        .says("the worker lacks the scope auth:expand-scopes");
    check(&scene, &task_id, "not allowed", &expected).await;
}

#[tokio::test]
async fn an_auth_service_that_is_gone_for_a_while_costs_no_task_and_one_that_refuses_costs_this_one() {
    let scene = Scene::new().await;
    create_roles(&scene).await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = worker(&scene, &proxy).start();
    for (fault, times, expected) in [
        (Fault::Status(500), 7, Expected::completed().says("assume:helper")),
        (Fault::Reset, 2, Expected::completed().says("assume:helper")),
        (
            Fault::Status(404),
            1,
            Expected::exception("resource-unavailable").says(
                "[taskcluster:error] the scopes of the task could not be expanded: Taskcluster answers 404",
            ),
        ),
    ] {
        proxy.fault(Call::Other, fault, times);
        let task_id = scene.create(&task(&["assume:project:it"])).await;
        check(&scene, &task_id, &format!("{fault:?}"), &expected).await;
    }
    assert!(worker.runs());
}

#[tokio::test]
async fn a_task_that_is_canceled_while_its_scopes_are_expanded_ends_at_once() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = worker(&scene, &proxy)
        .set("/queue/callTimeout", json!("30s"))
        .set("/queue/statusInterval", json!("100ms"))
        .start();
    proxy.fault(Call::Other, Fault::Hang, usize::MAX);
    let task_id = scene.create(&task(&["assume:project:it"])).await;
    proxy.until_seen(Call::Other, 1).await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    worker.until_err("run over").await;
    assert!(scene.log(&task_id).await.contains("the task was canceled"));
}
