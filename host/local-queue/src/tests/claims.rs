//! Work is claimed: by whom, in which order, how long a claim lasts.

use std::time::Duration;

use chrono::TimeDelta;
use queue::wire::TaskState;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{
    Fixture, QUEUE, claim_request, definition, definition_with, in_time, limited, refusal, refused, root,
};

#[tokio::test]
async fn a_claim_has_the_task_and_credentials_for_its_run() {
    let fixture = Fixture::start().await;
    let scoped = definition_with(QUEUE, json!({ "scopes": ["a:b", "c:*"] }));
    let task_id = fixture.create(&scoped).await;
    let claim = fixture.claim(QUEUE, 1).await.remove(0);
    assert_eq!(claim.status.task_id, task_id);
    assert_eq!(claim.status.state, TaskState::Running);
    assert_eq!(
        (
            claim.run_id,
            claim.worker_group.as_str(),
            claim.worker_id.as_str()
        ),
        (0, "wg", "w1")
    );
    assert_eq!(claim.status.runs[0].taken_until, Some(claim.taken_until));
    assert_eq!(claim.task, fixture.root().task(&task_id).await.unwrap());

    let credentials = claim.credentials;
    let millis = claim.taken_until.timestamp_millis();
    let until = (millis as f64 / 1000.0).to_string();
    assert_eq!(
        credentials.client_id,
        format!("task-client/{task_id}/0/on/wg/w1/until/{until}")
    );
    let certificate: Value = serde_json::from_str(&credentials.certificate.unwrap()).unwrap();
    assert_eq!(certificate["expiry"], millis);
    assert_eq!(certificate["issuer"], "root");
    assert_eq!(
        certificate["scopes"],
        json!([
            format!("queue:reclaim-task:{task_id}/0"),
            format!("queue:resolve-task:{task_id}/0"),
            format!("queue:create-artifact:{task_id}/0"),
            "a:b",
            "c:*",
        ])
    );
}

#[tokio::test]
async fn a_long_poll_is_woken_by_a_new_task() {
    let fixture = Fixture::start().await;
    let claiming = tokio::spawn({
        let root = fixture.root();
        async move { root.claim_work(QUEUE, &claim_request(4)).await }
    });
    fixture.until_waiting(QUEUE, 1).await;
    fixture.create(&definition("proj/other")).await;
    let task_id = fixture.create(&definition(QUEUE)).await;
    let claims = claiming.await.unwrap().unwrap().tasks;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].status.task_id, task_id);
}

#[tokio::test]
async fn of_several_who_wait_one_gets_the_task() {
    let fixture = Fixture::start().await;
    let mut claiming = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let root = fixture.root();
        claiming.spawn(async move {
            root.claim_work(QUEUE, &claim_request(1))
                .await
                .unwrap()
                .tasks
                .len()
        });
    }
    fixture.until_waiting(QUEUE, 4).await;
    fixture.create(&definition(QUEUE)).await;
    assert_eq!(claiming.join_next().await.unwrap().unwrap(), 1);
    fixture.until_waiting(QUEUE, 3).await;
    for _ in 0..3 {
        fixture.create(&definition(QUEUE)).await;
    }
    while let Some(claimed) = claiming.join_next().await {
        assert_eq!(claimed.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_claims_nothing() {
    let fixture = Fixture::start().await;
    let claiming = tokio::spawn({
        let root = fixture.root();
        async move { root.claim_work(QUEUE, &claim_request(1)).await }
    });
    fixture.until_waiting(QUEUE, 1).await;
    claiming.abort();
    fixture.until_waiting(QUEUE, 0).await;
    fixture.create(&definition(QUEUE)).await;
    assert_eq!(
        fixture.root().pending_tasks(QUEUE).await.unwrap().pending_tasks,
        1
    );
    assert_eq!(fixture.claim(QUEUE, 1).await.len(), 1);
}

#[tokio::test]
async fn shutdown_answers_long_polls_at_once() {
    let fixture = Fixture::start().await;
    let claiming = tokio::spawn({
        let root = fixture.root();
        async move { root.claim_work(QUEUE, &claim_request(1)).await }
    });
    fixture.until_waiting(QUEUE, 1).await;
    fixture.queue.shutdown().await;
    assert!(claiming.await.unwrap().unwrap().tasks.is_empty());
}

#[tokio::test]
async fn urgent_tasks_go_first_then_old_ones() {
    let fixture = Fixture::start().await;
    let mut ids = Vec::new();
    for priority in ["lowest", "high", "lowest", "highest", "high", "medium"] {
        let definition = definition_with(QUEUE, json!({ "priority": priority }));
        ids.push(fixture.create(&definition).await);
    }
    let mut claims = fixture.claim(QUEUE, 2).await;
    claims.extend(fixture.claim(QUEUE, 32).await);
    let order: Vec<usize> = claims
        .iter()
        .map(|claim| ids.iter().position(|id| *id == claim.status.task_id).unwrap())
        .collect();
    assert_eq!(order, [3, 1, 4, 5, 0, 2]);
}

#[tokio::test]
async fn no_more_is_claimed_than_asked_for() {
    let fixture = Fixture::start().await;
    for _ in 0..3 {
        fixture.create(&definition(QUEUE)).await;
    }
    assert_eq!(fixture.claim(QUEUE, 2).await.len(), 2);
    assert_eq!(fixture.claim(QUEUE, 2).await.len(), 1);
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let fixture = Fixture::start().await;
    fixture.create(&definition(QUEUE)).await;
    let claim = async |body: Value| {
        fixture
            .raw(Some(&root()), Method::POST, "claim-work/proj/ci", Some(&body))
            .await
            .refusal()
    };
    for body in [
        json!({}),
        json!({ "tasks": 0, "workerGroup": "a", "workerId": "b" }),
        json!({ "tasks": 33, "workerGroup": "a", "workerId": "b" }),
        json!({ "tasks": 1, "workerGroup": "", "workerId": "b" }),
        json!({ "tasks": 1, "workerGroup": "a", "workerId": "b c" }),
        json!({ "tasks": 1, "workerGroup": "a", "workerId": "b", "more": 1 }),
        json!([]),
    ] {
        assert_eq!(
            claim(body.clone()).await,
            refused(400, "InputValidationError"),
            "{body}"
        );
    }
    let plain = fixture.http.post(fixture.url("claim-work/proj%2Fci")).body("{}");
    assert_eq!(
        super::kit::Reply::of(plain).await.refusal(),
        refused(400, "MalformedPayload")
    );
    // One task is the default.
    let body = json!({ "workerGroup": "a", "workerId": "b" });
    let reply = fixture
        .raw(Some(&root()), Method::POST, "claim-work/proj%2Fci", Some(&body))
        .await;
    assert_eq!(reply.body["tasks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn claiming_needs_the_scopes_for_queue_and_worker() {
    let fixture = Fixture::start().await;
    fixture.create(&definition(QUEUE)).await;
    let (work, worker) = ("queue:claim-work:proj/ci", "queue:worker-id:wg/*");
    for scopes in [&[work][..], &[worker], &["queue:claim-work:proj/other", worker]] {
        let claim = fixture
            .client(limited(scopes))
            .claim_work(QUEUE, &claim_request(1))
            .await;
        assert_eq!(refusal(claim), refused(403, "InsufficientScopes"));
    }
    let client = fixture.client(limited(&[work, worker]));
    assert_eq!(
        client
            .claim_work(QUEUE, &claim_request(1))
            .await
            .unwrap()
            .tasks
            .len(),
        1
    );
}

#[tokio::test]
async fn reclaiming_moves_the_claim_on_and_gives_new_credentials() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let reclaimed = worker.reclaim_task(id, 0).await.unwrap();
    assert!(reclaimed.taken_until >= claim.taken_until);
    let status = fixture.root().status(id).await.unwrap().status;
    assert_eq!(status.runs[0].taken_until, Some(reclaimed.taken_until));
    assert_ne!(reclaimed.credentials.access_token, claim.credentials.access_token);
    // The former ones last until their own end.
    worker.reclaim_task(id, 0).await.unwrap();
    fixture
        .client(reclaimed.credentials)
        .report_completed(id, 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_claim_that_runs_out_is_retried_until_no_retries_are_left() {
    let fixture = Fixture::with_claims_of(Duration::from_millis(50)).await;
    let task_id = fixture
        .create(&definition_with(QUEUE, json!({ "retries": 1 })))
        .await;
    let after = json!({ "dependencies": [task_id], "requires": "all-resolved" });
    fixture.create(&definition_with("proj/after", after)).await;

    let lost = fixture.claim(QUEUE, 1).await.remove(0);
    // Each of these waits for what the timer does.
    let retry = fixture.claim(QUEUE, 1).await.remove(0);
    assert_eq!(retry.status.task_id, task_id);
    assert_eq!(retry.run_id, 1);
    assert_eq!(retry.status.retries_left, 0);
    assert_eq!(
        retry.status.runs[0].reason_resolved.as_deref(),
        Some("claim-expired")
    );
    assert_eq!(retry.status.runs[1].reason_created, "retry");
    let worker = fixture.client(lost.credentials);
    assert_eq!(
        refusal(worker.reclaim_task(&task_id, 0).await),
        refused(409, "RequestConflict")
    );
    assert_eq!(
        refusal(worker.report_failed(&task_id, 0).await),
        refused(409, "RequestConflict")
    );

    assert_eq!(fixture.claim("proj/after", 1).await.len(), 1);
    let status = fixture.root().status(&task_id).await.unwrap().status;
    assert_eq!(status.state, TaskState::Exception);
    assert_eq!(status.runs[1].reason_resolved.as_deref(), Some("claim-expired"));
    // Not before its time.
    let resolved = status.runs[1].resolved.unwrap();
    assert!(resolved >= status.runs[1].taken_until.unwrap());
}

#[tokio::test]
async fn tasks_are_resolved_at_their_deadline() {
    let fixture = Fixture::start().await;
    // Long enough for everything that is to come before it.
    let soon = in_time(TimeDelta::seconds(3));
    let due = |queue: &str| definition_with(queue, json!({ "deadline": soon }));
    let running = fixture.create(&due(QUEUE)).await;
    let claim = fixture.claim(QUEUE, 1).await.remove(0);
    let pending = fixture.create(&due("proj/pending")).await;
    let waits = definition_with(
        "proj/waits",
        json!({ "deadline": soon, "dependencies": [pending] }),
    );
    let unscheduled = fixture.create(&waits).await;
    let after = json!({ "dependencies": [running, pending, unscheduled], "requires": "all-resolved" });
    fixture.create(&definition_with("proj/after", after)).await;

    assert_eq!(fixture.claim("proj/after", 1).await.len(), 1);
    for (id, created) in [
        (&running, "scheduled"),
        (&pending, "scheduled"),
        (&unscheduled, "exception"),
    ] {
        let status = fixture.root().status(id).await.unwrap().status;
        assert_eq!(status.state, TaskState::Exception);
        assert_eq!(status.runs.len(), 1);
        assert_eq!(
            status.runs[0].reason_resolved.as_deref(),
            Some("deadline-exceeded")
        );
        assert_eq!(status.runs[0].reason_created, created);
        assert!(status.runs[0].resolved.unwrap() >= status.deadline);
        for call in [
            fixture.root().rerun_task(id).await,
            fixture.root().cancel_task(id).await,
        ] {
            assert_eq!(refusal(call), refused(409, "RequestConflict"));
        }
    }
    let worker = fixture.client(claim.credentials);
    assert_eq!(
        refusal(worker.reclaim_task(&running, 0).await),
        refused(409, "RequestConflict")
    );
    assert_eq!(
        refusal(worker.report_completed(&running, 0).await),
        refused(409, "RequestConflict")
    );
}
