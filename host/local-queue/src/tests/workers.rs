//! What the queue knows of workers and task queues, quarantine, and task groups that are sealed.

use chrono::TimeDelta;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::kit::{
    Fixture, QUEUE, Reply, claim_request, definition, definition_with, in_time, limited, refused, root,
};
use crate::{clock, store, task::Worker};

const WORKERS: &str = "provisioners/proj/worker-types/ci/workers";
const WORKER: &str = "provisioners/proj/worker-types/ci/workers/wg/w1";

async fn get(fixture: &Fixture, path: &str) -> Value {
    let reply = fixture.raw(Some(&root()), Method::GET, path, None).await;
    assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
    reply.body
}

async fn send(fixture: &Fixture, method: Method, path: &str, body: &Value) -> Reply {
    fixture.raw(Some(&root()), method, path, Some(body)).await
}

async fn quarantine(fixture: &Fixture, until: TimeDelta) -> Value {
    let body = json!({ "quarantineUntil": in_time(until), "quarantineInfo": "it smells" });
    let reply = send(fixture, Method::PUT, WORKER, &body).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

#[tokio::test]
async fn a_worker_that_claims_is_known_with_its_last_twenty_tasks() {
    let fixture = Fixture::start().await;
    let mut ids = Vec::new();
    for _ in 0..22 {
        ids.push(fixture.create(&definition(QUEUE)).await);
    }
    for tasks in [1, 20, 1] {
        fixture.claim(QUEUE, tasks).await;
    }
    let worker = get(&fixture, WORKER).await;
    let recent = worker["recentTasks"].as_array().unwrap();
    let recent: Vec<&str> = recent
        .iter()
        .map(|task| task["taskId"].as_str().unwrap())
        .collect();
    assert_eq!(recent, ids[2..]);
    assert_eq!(worker["recentTasks"][0]["runId"], 0);
    assert_eq!(
        (&worker["provisionerId"], &worker["workerType"]),
        (&json!("proj"), &json!("ci"))
    );
    let listed = get(&fixture, WORKERS).await;
    assert_eq!(listed["workers"][0]["latestTask"]["taskId"], *ids.last().unwrap());
    let of_manager = fixture
        .api(
            Some(&root()),
            Method::GET,
            &format!("worker-manager/v1/{WORKER}"),
            None,
        )
        .await
        .body;
    assert_eq!(
        (&of_manager["state"], &of_manager["providerId"]),
        (&json!("standalone"), &json!("none"))
    );
    for path in [format!("{WORKER}x"), WORKER.replace("proj", "none")] {
        let reply = fixture.raw(Some(&root()), Method::GET, &path, None).await;
        assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"));
    }
}

#[tokio::test]
async fn a_worker_in_quarantine_is_given_nothing_and_goes_on_with_what_it_has() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let shown = quarantine(&fixture, TimeDelta::hours(1)).await;
    let detail = &shown["quarantineDetails"][0];
    assert_eq!(
        (&detail["clientId"], &detail["quarantineInfo"]),
        (&json!("root"), &json!("it smells"))
    );
    assert_eq!(detail["quarantineUntil"], shown["quarantineUntil"]);
    let waiting = fixture.create(&definition(QUEUE)).await;
    let client = fixture.root();
    let poll = tokio::spawn(async move { client.claim_work(QUEUE, &claim_request(1)).await });
    while fixture.queue.signals.waiting(QUEUE) == 0 && !poll.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let id = &claim.status.task_id;
    worker.reclaim_task(id, 0).await.unwrap();
    worker.report_completed(id, 0).await.unwrap();
    // It ends long polls.
    let fixture = fixture.restart().await;
    assert!(poll.await.unwrap().unwrap().tasks.is_empty());
    quarantine(&fixture, TimeDelta::hours(-1)).await;
    assert_eq!(get(&fixture, WORKER).await["quarantineUntil"], Value::Null);
    assert_eq!(fixture.claim(QUEUE, 1).await[0].status.task_id, waiting);
}

#[tokio::test]
async fn a_long_poll_under_way_gets_nothing_once_its_worker_is_in_quarantine() {
    let fixture = Fixture::start().await;
    let poll = |worker_id: &str| {
        let (client, mut request) = (fixture.root(), claim_request(1));
        request.worker_id = worker_id.to_owned();
        tokio::spawn(async move { client.claim_work(QUEUE, &request).await })
    };
    let quarantined = poll("w1");
    while fixture.raw(Some(&root()), Method::GET, WORKER, None).await.status != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    quarantine(&fixture, TimeDelta::hours(1)).await;
    let free = poll("w2");
    fixture.until_waiting(QUEUE, 2).await;
    let id = fixture.create(&definition(QUEUE)).await;
    assert_eq!(free.await.unwrap().unwrap().tasks[0].status.task_id, id);
    drop(fixture.restart().await);
    assert!(quarantined.await.unwrap().unwrap().tasks.is_empty());
}

#[tokio::test]
async fn quarantine_needs_its_scope_a_worker_and_a_time() {
    let fixture = Fixture::start().await;
    let body = json!({ "quarantineUntil": in_time(TimeDelta::hours(1)) });
    let unknown = send(&fixture, Method::PUT, WORKER, &body).await;
    assert_eq!(unknown.refusal(), refused(404, "ResourceNotFound"));
    let declared = "provisioners/proj/worker-types/ci/wg/w1";
    let declare = json!({ "expires": in_time(TimeDelta::days(3)) });
    let reply = send(&fixture, Method::PUT, declared, &declare).await;
    assert_eq!((reply.status, &reply.body["expires"]), (200, &declare["expires"]));
    let weak = limited(&[
        "queue:quarantine-worker:proj/ci/wg/w2",
        "queue:declare-worker:proj/ci/wg/w1#x",
    ]);
    for (path, body) in [(WORKER, &body), (declared, &declare)] {
        let reply = fixture.raw(Some(&weak), Method::PUT, path, Some(body)).await;
        assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"));
    }
    for body in [
        json!({}),
        json!({ "quarantineUntil": "soon" }),
        json!({ "quarantineUntil": in_time(TimeDelta::zero()), "quarantineInfo": "x".repeat(4001) }),
    ] {
        let reply = send(&fixture, Method::PUT, WORKER, &body).await;
        assert_eq!(reply.refusal(), refused(400, "InputValidationError"), "{body}");
    }
}

#[tokio::test]
async fn workers_are_listed_by_quarantine_and_page_by_page() {
    let fixture = Fixture::start().await;
    for id in ["w3", "w1", "w2"] {
        let path = format!("provisioners/proj/worker-types/ci/wg/{id}");
        assert_eq!(send(&fixture, Method::PUT, &path, &json!({})).await.status, 200);
    }
    quarantine(&fixture, TimeDelta::hours(1)).await;
    let ids = async |query: &str| {
        let listed = get(&fixture, &format!("{WORKERS}{query}")).await;
        let workers = listed["workers"].as_array().unwrap().clone();
        let ids: Vec<String> = workers
            .iter()
            .map(|worker| worker["workerId"].as_str().unwrap().to_owned())
            .collect();
        (
            ids,
            listed["continuationToken"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    assert_eq!(ids("").await.0, ["w1", "w2", "w3"]);
    assert_eq!(ids("?quarantined=true").await.0, ["w1"]);
    assert_eq!(ids("?quarantined=false").await.0, ["w2", "w3"]);
    let (first, token) = ids("?limit=2").await;
    assert_eq!(first, ["w1", "w2"]);
    assert_eq!(
        ids(&format!("?limit=2&continuationToken={token}")).await,
        (vec!["w3".to_owned()], String::new())
    );
    let reply = fixture
        .raw(
            Some(&root()),
            Method::GET,
            &format!("{WORKERS}?quarantined=x"),
            None,
        )
        .await;
    assert_eq!(reply.refusal(), refused(400, "InvalidRequestArguments"));
}

#[tokio::test]
async fn task_queues_are_known_once_they_are_used() {
    let fixture = Fixture::start().await;
    for queue in ["proj/ci", "proj/b", "other/ci"] {
        fixture.create(&definition(queue)).await;
    }
    let names = |listed: &Value, list: &str, id: &str| {
        let items = listed[list].as_array().unwrap().iter();
        items
            .map(|item| item[id].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let page = get(&fixture, "task-queues?limit=2").await;
    assert_eq!(names(&page, "taskQueues", "taskQueueId"), ["other/ci", "proj/b"]);
    let token = page["continuationToken"].as_str().unwrap();
    let page = get(&fixture, &format!("task-queues?continuationToken={token}")).await;
    assert_eq!(names(&page, "taskQueues", "taskQueueId"), ["proj/ci"]);
    let listed = get(&fixture, "provisioners").await;
    assert_eq!(names(&listed, "provisioners", "provisionerId"), ["other", "proj"]);
    let listed = get(&fixture, "provisioners/proj/worker-types").await;
    assert_eq!(names(&listed, "workerTypes", "workerType"), ["b", "ci"]);
    assert_eq!(
        get(&fixture, "task-queues/proj%2Fci").await["stability"],
        "experimental"
    );
    assert_eq!(get(&fixture, "provisioners/proj").await["provisionerId"], "proj");
    assert_eq!(
        get(&fixture, "provisioners/proj/worker-types/ci").await["workerType"],
        "ci"
    );
    for path in [
        "task-queues/proj%2Fx",
        "provisioners/x",
        "provisioners/proj/worker-types/x",
    ] {
        let reply = fixture.raw(Some(&root()), Method::GET, path, None).await;
        assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"), "{path}");
    }
}

#[tokio::test]
async fn what_waits_and_what_runs_is_counted_and_listed() {
    let fixture = Fixture::start().await;
    let mut ids = Vec::new();
    for priority in ["lowest", "lowest", "highest", "lowest", "lowest"] {
        let task = definition_with(QUEUE, json!({ "priority": priority }));
        ids.push(fixture.create(&task).await);
    }
    fixture.claim(QUEUE, 2).await;
    let counts = json!({
        "provisionerId": "proj", "workerType": "ci", "taskQueueId": "proj/ci", "pendingTasks": 3, "claimedTasks": 2,
    });
    assert_eq!(get(&fixture, "task-queues/proj%2Fci/counts").await, counts);
    let asked = json!({ "taskQueueIds": ["proj/ci", "proj/x"] });
    let many = send(&fixture, Method::POST, "task-queues/counts", &asked)
        .await
        .body;
    assert_eq!(many["taskQueueCounts"][0], counts);
    assert_eq!(many["taskQueueCounts"][1]["pendingTasks"], 0);
    // In the order in which they came, and in that in which they were claimed.
    for (list, expected) in [("pending", [1, 3, 4].as_slice()), ("claimed", &[0, 2])] {
        let mut found = Vec::new();
        let mut query = "?limit=1".to_owned();
        loop {
            let page = get(&fixture, &format!("task-queues/proj%2Fci/{list}{query}")).await;
            for task in page["tasks"].as_array().unwrap() {
                assert_eq!(task["task"]["taskQueueId"], QUEUE);
                assert_eq!(task["runId"], 0);
                assert!(task["inserted"].is_string() || task["claimed"].is_string());
                found.push(task["taskId"].as_str().unwrap().to_owned());
            }
            match page["continuationToken"].as_str() {
                Some(token) => query = format!("?limit=1&continuationToken={token}"),
                None => break,
            }
        }
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|&at: &usize| ids[at].clone()).collect();
        expected.sort();
        assert_eq!(found, expected, "{list}");
    }
    let weak = limited(&["queue:pending-count:proj/ci"]);
    for path in ["counts", "pending", "claimed"] {
        let path = format!("task-queues/proj%2Fci/{path}");
        let reply = fixture.raw(Some(&weak), Method::GET, &path, None).await;
        assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"), "{path}");
    }
}

#[tokio::test]
async fn a_sealed_group_takes_no_more_tasks_and_can_be_canceled() {
    let fixture = Fixture::start().await;
    let group = slugid::v4();
    let of_group = |more: Value| {
        let mut task = definition_with(QUEUE, json!({ "taskGroupId": group }));
        for (name, value) in more.as_object().unwrap() {
            task[name] = value.clone();
        }
        task
    };
    let done = fixture.create(&of_group(json!({}))).await;
    let claim = fixture.claim(QUEUE, 1).await.remove(0);
    fixture
        .client(claim.credentials)
        .report_completed(&done, 0)
        .await
        .unwrap();
    let pending = fixture.create(&of_group(json!({ "projectId": "p" }))).await;
    let blocked = fixture
        .create(&of_group(json!({ "dependencies": [pending] })))
        .await;
    let cancel = format!("task-group/{group}/cancel");
    let seal = format!("task-group/{group}/seal");
    let early = fixture.raw(Some(&root()), Method::POST, &cancel, None).await;
    assert_eq!(early.refusal(), refused(409, "RequestConflict"));
    // All projects, or the group by its name.
    let some = limited(&["queue:seal-task-group-in-project:p"]);
    let reply = fixture.raw(Some(&some), Method::POST, &seal, None).await;
    assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"));
    let all = limited(&[
        "queue:seal-task-group-in-project:p",
        "queue:seal-task-group-in-project:none",
    ]);
    let sealed = fixture.raw(Some(&all), Method::POST, &seal, None).await;
    assert_eq!(sealed.status, 200, "{:?}", sealed.body);
    let named = limited(&[&format!("queue:seal-task-group:{group}")]);
    let again = fixture.raw(Some(&named), Method::POST, &seal, None).await;
    assert_eq!(again.body, sealed.body);
    assert_eq!(get(&fixture, &format!("task-group/{group}")).await, sealed.body);
    assert!(sealed.body["sealed"].is_string());
    let path = format!("task/{}", slugid::v4());
    let late = send(&fixture, Method::PUT, &path, &of_group(json!({}))).await;
    assert_eq!(late.refusal(), refused(409, "RequestConflict"));

    let canceled = fixture.raw(Some(&root()), Method::POST, &cancel, None).await.body;
    assert_eq!(
        (&canceled["taskGroupSize"], &canceled["cancelledCount"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(canceled["taskIds"], json!([pending, blocked]));
    let root_client = fixture.root();
    for id in [&pending, &blocked] {
        let status = root_client.status(id).await.unwrap().status;
        assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("canceled"));
    }
    let missing = format!("task-group/{}/seal", slugid::v4());
    let reply = fixture.raw(Some(&root()), Method::POST, &missing, None).await;
    assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"));
}

#[tokio::test]
async fn a_worker_is_forgotten_a_day_after_it_was_seen_but_not_while_in_quarantine() {
    let fixture = Fixture::start().await;
    let worker = |id: &str| Worker {
        group: "wg".to_owned(),
        id: id.to_owned(),
    };
    for id in ["w1", "w2"] {
        let path = format!("provisioners/proj/worker-types/ci/wg/{id}");
        send(&fixture, Method::PUT, &path, &json!({})).await;
    }
    quarantine(&fixture, TimeDelta::days(30)).await;
    let soon = json!({ "expires": in_time(TimeDelta::hours(1)) });
    send(
        &fixture,
        Method::PUT,
        "provisioners/proj/worker-types/ci/wg/w1",
        &soon,
    )
    .await;
    let later = clock::now() + TimeDelta::days(6);
    let work = move |db: &store::Db<'_>| {
        db.expire(later, 50)?;
        let mut known = Vec::new();
        for id in ["w1", "w2"] {
            known.push(db.seen_worker(QUEUE, &worker(id), later)?.is_some());
        }
        Ok((known, db.task_queue(QUEUE, later)?))
    };
    let (known, queue) = fixture.queue.store.run(work).await.unwrap();
    assert_eq!(known, [true, false]);
    assert_eq!(queue, None);
}

/// However many tasks are stored, these look at no more of them than they need.
#[tokio::test]
async fn what_workers_ask_often_is_found_by_an_index() {
    let fixture = Fixture::start().await;
    let database = Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    for query in store::hot_queries() {
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        // What is not bound is NULL, which changes no plan.
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get::<_, String>(3).unwrap());
        }
        assert!(!steps.is_empty());
        for step in steps {
            assert!(!step.contains("SCAN"), "{query}: {step}");
            assert!(!step.contains("TEMP B-TREE"), "{query}: {step}");
        }
    }
}
