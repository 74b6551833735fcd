//! Runs are resolved by their workers.

use queue::wire::TaskState;
use reqwest::Method;
use serde_json::json;

use super::kit::{Fixture, QUEUE, definition, definition_with, limited, refusal, refused};

#[tokio::test]
async fn reports_resolve_a_run_once() {
    let fixture = Fixture::start().await;
    let conflict = refused(409, "RequestConflict");
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let status = worker.report_completed(id, 0).await.unwrap().status;
    assert_eq!(status.state, TaskState::Completed);
    assert_eq!(worker.report_completed(id, 0).await.unwrap().status, status);
    assert_eq!(refusal(worker.report_failed(id, 0).await), conflict);
    assert_eq!(
        refusal(worker.report_exception(id, 0, "internal-error").await),
        conflict
    );
    assert_eq!(refusal(worker.reclaim_task(id, 0).await), conflict);

    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    assert_eq!(
        worker.report_failed(id, 0).await.unwrap().status.state,
        TaskState::Failed
    );
    assert_eq!(refusal(worker.report_completed(id, 0).await), conflict);
}

#[tokio::test]
async fn exceptions_are_final_or_retried_by_their_reason() {
    let fixture = Fixture::start().await;
    for (reason, created) in [
        ("malformed-payload", None),
        ("resource-unavailable", None),
        ("internal-error", None),
        ("worker-shutdown", Some("retry")),
        ("intermittent-task", Some("task-retry")),
    ] {
        let (claim, worker) = fixture.running().await;
        let id = &claim.status.task_id;
        let status = worker.report_exception(id, 0, reason).await.unwrap().status;
        assert_eq!(status.runs[0].reason_resolved.as_deref(), Some(reason));
        assert_eq!(status.runs.get(1).map(|run| run.reason_created.as_str()), created);
        assert_eq!(
            worker.report_exception(id, 0, reason).await.unwrap().status,
            status
        );
        if created.is_some() {
            assert_eq!(status.retries_left, 4);
            assert_eq!(fixture.claim(QUEUE, 1).await[0].run_id, 1);
        }
    }
}

#[tokio::test]
async fn without_retries_left_a_shut_down_worker_ends_the_task() {
    let fixture = Fixture::start().await;
    let id = fixture
        .create(&definition_with(QUEUE, json!({ "retries": 0 })))
        .await;
    fixture.claim(QUEUE, 1).await;
    let status = fixture
        .root()
        .report_exception(&id, 0, "worker-shutdown")
        .await
        .unwrap()
        .status;
    assert_eq!(status.state, TaskState::Exception);
    assert_eq!(status.runs.len(), 1);
}

#[tokio::test]
async fn reasons_that_are_not_a_workers_are_refused() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    for reason in [
        "canceled",
        "claim-expired",
        "deadline-exceeded",
        "superseded",
        "x",
    ] {
        let report = worker.report_exception(id, 0, reason).await;
        assert_eq!(refusal(report), refused(400, "InputValidationError"), "{reason}");
    }
    let path = format!("task/{id}/runs/0/exception");
    let more = json!({ "reason": "internal-error", "more": 1 });
    let reply = fixture
        .raw(Some(&claim.credentials), Method::POST, &path, Some(&more))
        .await;
    assert_eq!(reply.refusal(), refused(400, "InputValidationError"));
    assert_eq!(
        fixture.root().status(id).await.unwrap().status.state,
        TaskState::Running
    );
}

#[tokio::test]
async fn runs_that_are_not_there_or_not_running_are_refused() {
    let fixture = Fixture::start().await;
    let id = fixture.create(&definition(QUEUE)).await;
    let root = fixture.root();
    assert_eq!(
        refusal(root.report_completed(&id, 0).await),
        refused(409, "RequestConflict")
    );
    assert_eq!(
        refusal(root.reclaim_task(&id, 0).await),
        refused(409, "RequestConflict")
    );
    for run_id in [1, 1001, u32::MAX] {
        assert_eq!(
            refusal(root.report_completed(&id, run_id).await),
            refused(404, "ResourceNotFound")
        );
    }
    let huge = format!("task/{id}/runs/99999999999999999999/completed");
    let credentials = limited(&["queue:resolve-task:*"]);
    let reply = fixture.raw(Some(&credentials), Method::POST, &huge, None).await;
    assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"));
}

#[tokio::test]
async fn the_credentials_of_a_run_are_for_that_run_alone() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let (other, _) = fixture.running().await;
    let denied = refused(403, "InsufficientScopes");
    let other = &other.status.task_id;
    assert_eq!(refusal(worker.reclaim_task(other, 0).await), denied);
    assert_eq!(refusal(worker.report_completed(other, 0).await), denied);
    assert_eq!(refusal(worker.cancel_task(&claim.status.task_id).await), denied);
    assert_eq!(
        refusal(worker.create_task(&slugid::v4(), &definition(QUEUE)).await),
        denied
    );
    let retried = worker
        .report_exception(&claim.status.task_id, 0, "worker-shutdown")
        .await
        .unwrap();
    assert_eq!(retried.status.runs.len(), 2);
    assert_eq!(
        refusal(worker.report_completed(&claim.status.task_id, 1).await),
        denied
    );
}
