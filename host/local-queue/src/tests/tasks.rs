//! Tasks: defined, looked up, scheduled, canceled, run again, depended on.

use chrono::TimeDelta;
use queue::wire::TaskState;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{Fixture, QUEUE, definition, definition_with, in_time, limited, refusal, refused, root};

#[tokio::test]
async fn a_task_is_created_once_and_comes_back_as_defined() {
    let fixture = Fixture::start().await;
    let (task_id, definition) = (slugid::v4(), definition(QUEUE));
    let status = fixture
        .root()
        .create_task(&task_id, &definition)
        .await
        .unwrap()
        .status;
    assert_eq!(status.state, TaskState::Pending);
    assert_eq!(status.runs[0].reason_created, "scheduled");
    assert_eq!(status.retries_left, 5);

    let again = fixture
        .root()
        .create_task(&task_id, &definition)
        .await
        .unwrap()
        .status;
    assert_eq!(again, status);
    assert_eq!(fixture.root().status(&task_id).await.unwrap().status, status);

    let other = definition_with(QUEUE, json!({ "retries": 1 }));
    let conflict = fixture.root().create_task(&task_id, &other).await;
    assert_eq!(refusal(conflict), refused(409, "RequestConflict"));

    let stored = serde_json::to_value(fixture.root().task(&task_id).await.unwrap()).unwrap();
    for (name, value) in definition.as_object().unwrap() {
        assert_eq!(&stored[name], value, "{name}");
    }
    assert_eq!(stored["taskGroupId"], json!(task_id));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = Fixture::start().await;
    let (root, id) = (fixture.root(), slugid::v4());
    let not_found = refused(404, "ResourceNotFound");
    assert_eq!(refusal(root.task(&id).await), not_found);
    assert_eq!(refusal(root.status(&id).await), not_found);
    assert_eq!(refusal(root.cancel_task(&id).await), not_found);
    assert_eq!(refusal(root.rerun_task(&id).await), not_found);
    assert_eq!(refusal(root.schedule_task(&id).await), not_found);
    assert_eq!(refusal(root.list_task_group(&id, None).await), not_found);
    assert_eq!(refusal(root.reclaim_task(&id, 0).await), not_found);
    assert_eq!(refusal(root.report_completed(&id, 0).await), not_found);
    assert_eq!(refusal(root.list_artifacts(&id, 0, None).await), not_found);
    assert_eq!(refusal(root.artifact(&id, 0, "public/a").await), not_found);
    assert_eq!(refusal(root.latest_artifact(&id, "public/a").await), not_found);

    for path in ["nothing", "task", &format!("task/{id}/nothing"), ""] {
        assert_eq!(fixture.get(path).await.refusal(), not_found, "{path}");
    }
    let path = format!("task/{id}");
    let wrong_method = fixture
        .raw(Some(&super::kit::root()), Method::DELETE, &path, None)
        .await;
    assert_eq!(wrong_method.refusal(), not_found);
    let outside = fixture.http.get(fixture.queue.root_url()).send().await.unwrap();
    assert_eq!(outside.status(), 404);
}

#[tokio::test]
async fn errors_say_what_was_asked_for() {
    let fixture = Fixture::start().await;
    let body = json!({ "typo": 1 });
    let task_id = slugid::v4();
    let reply = fixture
        .raw(
            Some(&root()),
            Method::PUT,
            &format!("task/{task_id}"),
            Some(&body),
        )
        .await;
    assert_eq!(reply.refusal(), refused(400, "InputValidationError"));
    let info = &reply.body["requestInfo"];
    assert_eq!(info["method"], "createTask");
    assert_eq!(info["params"], json!({ "taskId": task_id }));
    assert_eq!(info["payload"], body);
    assert!(info["time"].as_str().unwrap().ends_with('Z'));
    assert!(reply.body["message"].as_str().unwrap().contains("typo"));
    for header in ["date", "x-for-request-id", "x-for-trace-id"] {
        assert_ne!(reply.header(header), "", "{header}");
    }
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn paths_and_queries_are_checked() {
    let fixture = Fixture::start().await;
    let task_id = fixture.create(&definition(QUEUE)).await;
    let bad = refused(400, "InvalidRequestArguments");
    for path in [
        "task/nope",
        "task/nope/status",
        "task-group/nope/list",
        "pending/nope",
        "pending/a/b/c",
        &format!("task/{task_id}?limit=1"),
        &format!("task-group/{task_id}/list?limit=many"),
        &format!("task-group/{task_id}/list?limit=1&limit=2"),
        &format!("task-group/{task_id}/list?more=1"),
        &format!("task/{task_id}/runs/x/artifacts"),
        "task/%FF%FE/status",
    ] {
        assert_eq!(fixture.get(path).await.refusal(), bad, "{path}");
    }
    let token = format!("task-group/{task_id}/list?continuationToken=nope");
    assert_eq!(fixture.get(&token).await.refusal(), refused(400, "InputError"));
}

#[tokio::test]
async fn the_service_says_that_it_is_there() {
    let fixture = Fixture::start().await;
    fixture.root().ping().await.unwrap();
    assert_eq!(fixture.get("ping").await.body["alive"], true);
    for path in ["__lbheartbeat__", "__heartbeat__", "__version__"] {
        assert_eq!(fixture.get(path).await.status, 200, "{path}");
    }
    let preflight = fixture
        .raw(None, Method::OPTIONS, &format!("task/{}", slugid::v4()), None)
        .await;
    assert_eq!(preflight.status, 204);
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("Authorization")
    );
}

#[tokio::test]
async fn several_tasks_are_looked_up_at_once() {
    let fixture = Fixture::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(fixture.create(&definition(QUEUE)).await);
    }
    let body = json!({ "taskIds": [ids[0], slugid::v4(), ids[1], ids[2]] });
    let reply = fixture.raw(None, Method::POST, "tasks", Some(&body)).await;
    let found: Vec<&Value> = reply.body["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["taskId"])
        .collect();
    assert_eq!(found, [&ids[0], &ids[1], &ids[2]]);
    assert_eq!(reply.body["tasks"][0]["task"]["taskQueueId"], QUEUE);

    let reply = fixture
        .raw(None, Method::POST, "tasks/status?limit=2", Some(&body))
        .await;
    assert_eq!(reply.body["statuses"].as_array().unwrap().len(), 1);
    assert_eq!(reply.body["statuses"][0]["status"]["state"], "pending");
    let token = reply.body["continuationToken"].as_str().unwrap();
    let next = format!("tasks/status?limit=2&continuationToken={token}");
    let reply = fixture.raw(None, Method::POST, &next, Some(&body)).await;
    assert_eq!(reply.body["statuses"][1]["taskId"], ids[2]);
    assert!(reply.body.get("continuationToken").is_none());
}

#[tokio::test]
async fn groups_are_listed_page_by_page_and_have_one_scheduler() {
    let fixture = Fixture::start().await;
    let group = slugid::v4();
    let in_group =
        |scheduler: &str| definition_with(QUEUE, json!({ "taskGroupId": group, "schedulerId": scheduler }));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(fixture.create(&in_group("mine")).await);
    }
    fixture.create(&definition(QUEUE)).await;
    let other = fixture
        .root()
        .create_task(&slugid::v4(), &in_group("yours"))
        .await;
    assert_eq!(refusal(other), refused(409, "RequestConflict"));

    let page = fixture.root().list_task_group(&group, None).await.unwrap();
    let listed: Vec<&str> = page
        .tasks
        .iter()
        .map(|task| task.status.task_id.as_str())
        .collect();
    assert_eq!(listed, ids);
    assert_eq!(page.scheduler_id, "mine");
    assert_eq!(page.continuation_token, None);

    let mut path = format!("task-group/{group}/list?limit=2");
    let first = fixture.get(&path).await.body;
    assert_eq!(first["tasks"].as_array().unwrap().len(), 2);
    path += &format!(
        "&continuationToken={}",
        first["continuationToken"].as_str().unwrap()
    );
    let second = fixture.get(&path).await.body;
    assert_eq!(second["tasks"][0]["status"]["taskId"], ids[2]);
    assert!(second.get("continuationToken").is_none());
    let info = fixture.get(&format!("task-group/{group}")).await.body;
    assert_eq!(info["schedulerId"], "mine");
}

#[tokio::test]
async fn tasks_wait_for_what_they_depend_on() {
    let fixture = Fixture::start().await;
    let (first, second) = (
        fixture.create(&definition("proj/first")).await,
        fixture.create(&definition("proj/second")).await,
    );
    let on_both = json!({ "dependencies": [first, second] });
    let completed = fixture.create(&definition_with(QUEUE, on_both.clone())).await;
    let resolved = fixture
        .create(&definition_with(
            QUEUE,
            json!({ "dependencies": [first, second], "requires": "all-resolved" }),
        ))
        .await;
    let state = async |id: &str| fixture.root().status(id).await.unwrap().status.state;
    assert_eq!(state(&completed).await, TaskState::Unscheduled);
    assert_eq!(
        fixture.root().pending_tasks(QUEUE).await.unwrap().pending_tasks,
        0
    );
    let dependents = fixture.get(&format!("task/{first}/dependents")).await.body;
    assert_eq!(dependents["tasks"].as_array().unwrap().len(), 2);

    fixture.claim("proj/first", 1).await;
    fixture.root().report_completed(&first, 0).await.unwrap();
    assert_eq!(state(&resolved).await, TaskState::Unscheduled);
    fixture.claim("proj/second", 1).await;
    fixture.root().report_failed(&second, 0).await.unwrap();
    assert_eq!(state(&resolved).await, TaskState::Pending);
    assert_eq!(state(&completed).await, TaskState::Unscheduled);

    // Once it has completed after all, so may who waited for that.
    fixture.root().rerun_task(&second).await.unwrap();
    fixture.claim("proj/second", 1).await;
    fixture.root().report_completed(&second, 1).await.unwrap();
    assert_eq!(state(&completed).await, TaskState::Pending);
    // Nor does a new one have to wait.
    let late = fixture.create(&definition_with(QUEUE, on_both)).await;
    assert_eq!(state(&late).await, TaskState::Pending);
}

#[tokio::test]
async fn dependencies_that_can_not_be_are_refused_and_leave_no_task() {
    let fixture = Fixture::start().await;
    let (missing, task_id) = (slugid::v4(), slugid::v4());
    let create = |dependencies: Value| {
        let definition = definition_with(QUEUE, json!({ "dependencies": dependencies }));
        let root = fixture.root();
        let task_id = task_id.clone();
        async move { root.create_task(&task_id, &definition).await }
    };
    assert_eq!(
        refusal(create(json!([missing])).await),
        refused(400, "InputError")
    );
    let soon = in_time(TimeDelta::minutes(5));
    let short = json!({ "deadline": soon, "expires": soon });
    let short = fixture.create(&definition_with(QUEUE, short)).await;
    assert_eq!(refusal(create(json!([short])).await), refused(400, "InputError"));
    assert!(fixture.root().task(&task_id).await.unwrap_err().is_not_found());
    assert!(
        fixture
            .root()
            .list_task_group(&task_id, None)
            .await
            .unwrap_err()
            .is_not_found()
    );
    // A task may wait for itself: until somebody schedules it.
    assert_eq!(
        create(json!([task_id])).await.unwrap().status.state,
        TaskState::Unscheduled
    );
    let scheduled = fixture.root().schedule_task(&task_id).await.unwrap().status;
    assert_eq!(scheduled.state, TaskState::Pending);
    assert_eq!(fixture.claim(QUEUE, 2).await.len(), 2);
}

#[tokio::test]
async fn a_canceled_task_can_be_run_again() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let status = fixture.root().cancel_task(id).await.unwrap().status;
    assert_eq!(status.state, TaskState::Exception);
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("canceled"));
    assert_eq!(fixture.root().cancel_task(id).await.unwrap().status, status);
    let conflict = refused(409, "RequestConflict");
    assert_eq!(refusal(worker.reclaim_task(id, 0).await), conflict);
    assert_eq!(refusal(worker.report_completed(id, 0).await), conflict);

    let status = fixture.root().rerun_task(id).await.unwrap().status;
    assert_eq!(status.state, TaskState::Pending);
    assert_eq!(status.runs[1].reason_created, "rerun");
    assert_eq!(fixture.root().rerun_task(id).await.unwrap().status, status);
    assert_eq!(fixture.claim(QUEUE, 1).await[0].run_id, 1);
}

#[tokio::test]
async fn a_canceled_pending_task_is_not_claimed() {
    let fixture = Fixture::start().await;
    let canceled = fixture.create(&definition(QUEUE)).await;
    let kept = fixture.create(&definition(QUEUE)).await;
    fixture.root().cancel_task(&canceled).await.unwrap();
    let claims = fixture.claim(QUEUE, 10).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].status.task_id, kept);
}

#[tokio::test]
async fn pending_tasks_are_counted_for_either_form_of_the_name() {
    let fixture = Fixture::start().await;
    fixture.create(&definition(QUEUE)).await;
    fixture.create(&definition("proj/other")).await;
    let counted = fixture.root().pending_tasks(QUEUE).await.unwrap();
    assert_eq!(counted.pending_tasks, 1);
    assert_eq!(
        (counted.provisioner_id.as_str(), counted.worker_type.as_str()),
        ("proj", "ci")
    );
    for path in ["pending/proj%2Fci", "pending/proj/ci"] {
        assert_eq!(fixture.get(path).await.body["pendingTasks"], 1, "{path}");
    }
}

#[tokio::test]
async fn a_task_is_created_only_with_all_that_it_may_do() {
    let fixture = Fixture::start().await;
    let definition = definition_with(
        QUEUE,
        json!({ "scopes": ["secrets:get:x"], "routes": ["index.a"], "priority": "low", "projectId": "p", "schedulerId": "s" }),
    );
    let all = [
        "secrets:get:*",
        "queue:route:index.*",
        "queue:create-task:project:p",
        "queue:scheduler-id:s",
        "queue:create-task:medium:proj/ci",
    ];
    let create = async |scopes: &[&str]| {
        let client = fixture.client(limited(scopes));
        client.create_task(&slugid::v4(), &definition).await
    };
    for left_out in all {
        let scopes: Vec<&str> = all.into_iter().filter(|scope| *scope != left_out).collect();
        assert_eq!(
            refusal(create(&scopes).await),
            refused(403, "InsufficientScopes"),
            "{left_out}"
        );
    }
    create(&all).await.unwrap();
    // The scope for a priority is none for a higher one.
    let mut lower = all;
    lower[4] = "queue:create-task:very-low:proj/ci";
    assert_eq!(refusal(create(&lower).await), refused(403, "InsufficientScopes"));
}

#[tokio::test]
async fn changes_of_a_task_need_a_scope_for_that_task() {
    let fixture = Fixture::start().await;
    let id = fixture.create(&definition(QUEUE)).await;
    let other = slugid::v4();
    for verb in ["cancel", "rerun", "schedule"] {
        let call = async |scope: &str| {
            let credentials = limited(&[scope]);
            let path = format!("task/{id}/{verb}");
            fixture
                .raw(Some(&credentials), Method::POST, &path, None)
                .await
                .status
        };
        assert_eq!(
            call(&format!("queue:{verb}-task:-/{other}/{id}")).await,
            403,
            "{verb}"
        );
        assert_eq!(
            call(&format!("queue:{verb}-task:-/{id}/{id}")).await,
            200,
            "{verb}"
        );
        assert_eq!(
            call(&format!("queue:{verb}-task-in-project:none")).await,
            200,
            "{verb}"
        );
        assert_eq!(call(&format!("queue:{verb}-task")).await, 403, "{verb}");
        let anonymous = fixture
            .raw(None, Method::POST, &format!("task/{id}/{verb}"), None)
            .await;
        assert_eq!(anonymous.refusal(), refused(403, "InsufficientScopes"), "{verb}");
    }
}
