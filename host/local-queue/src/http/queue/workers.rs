//! The workers that the queue knows: looked up, listed, declared, put into quarantine.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use chrono::{DateTime, Utc};
use queue::wire::timestamp;
use serde_json::{Value, json};

use crate::{
    auth::scopes::Expression,
    clock,
    error::ApiError,
    http::{
        App,
        call::{Answer, Call, call, queried},
        pages::{self, Page},
    },
    store::{Db, SeenQuery, SeenWorker},
    task::{Fields, Worker},
};

/// The longest reason for a quarantine, in characters.
const MAX_INFO: usize = 4000;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let worker_type = "/provisioners/{provisionerId}/worker-types/{workerType}";
    Router::new()
        .route(
            &format!("{worker_type}/workers"),
            queried(
                Method::GET,
                ("listWorkers", &["continuationToken", "limit", "quarantined"]),
                list,
            ),
        )
        .route(
            &format!("{worker_type}/workers/{{workerGroup}}/{{workerId}}"),
            call(Method::GET, "getWorker", get).merge(call(Method::PUT, "quarantineWorker", quarantine)),
        )
        .route(
            &format!("{worker_type}/{{workerGroup}}/{{workerId}}"),
            call(Method::PUT, "declareWorker", declare),
        )
}

/// The task queue and the worker of a path.
pub(in crate::http) fn seen_worker(call: &Call) -> (String, Worker) {
    let task_queue_id = format!("{}/{}", call.param("provisionerId"), call.param("workerType"));
    let worker = Worker {
        group: call.param("workerGroup").to_owned(),
        id: call.param("workerId").to_owned(),
    };
    (task_queue_id, worker)
}

/// 404 for a worker.
pub(in crate::http) fn no_such_worker(task_queue_id: &str, worker: &Worker) -> ApiError {
    let (provisioner_id, worker_type) = task_queue_id.split_once('/').unwrap_or_default();
    ApiError::not_found(format!(
        "Worker with workerId `{}`, workerGroup `{}`, worker-type `{worker_type}` and provisioner `{provisioner_id}` \
         not found. Are you sure it was created?",
        worker.id, worker.group
    ))
}

/// What it is ordered by, and how it is listed.
pub(in crate::http) fn listed_worker(worker: &SeenWorker, now: DateTime<Utc>) -> (String, Value) {
    let mut shown = json!({
        "workerGroup": worker.worker_group,
        "workerId": worker.worker_id,
        "firstClaim": timestamp::format(&worker.first_claim),
        "lastDateActive": timestamp::format(&worker.last_active),
    });
    if let Some(shown) = shown.as_object_mut() {
        if let Some(latest) = worker.recent_tasks.last() {
            shown.insert("latestTask".to_owned(), json!(latest));
        }
        if worker.quarantine_until > now {
            let until = timestamp::format(&worker.quarantine_until);
            shown.insert("quarantineUntil".to_owned(), json!(until));
        }
    }
    (format!("{}/{}", worker.worker_group, worker.worker_id), shown)
}

/// All that the queue knows of a worker.
pub(in crate::http) fn worker_to_json(worker: &SeenWorker, now: DateTime<Utc>) -> Value {
    let (provisioner_id, worker_type) = worker.task_queue_id.split_once('/').unwrap_or_default();
    let mut shown = json!({
        "provisionerId": provisioner_id,
        "workerType": worker_type,
        "workerGroup": worker.worker_group,
        "workerId": worker.worker_id,
        "recentTasks": worker.recent_tasks,
        "expires": timestamp::format(&worker.expires),
        "firstClaim": timestamp::format(&worker.first_claim),
        "lastDateActive": timestamp::format(&worker.last_active),
        "quarantineDetails": worker.quarantine_details,
        "actions": [],
    });
    if worker.quarantine_until > now
        && let Some(shown) = shown.as_object_mut()
    {
        let until = timestamp::format(&worker.quarantine_until);
        shown.insert("quarantineUntil".to_owned(), json!(until));
    }
    shown
}

async fn get(call: Arc<Call>) -> Answer {
    let (task_queue_id, worker) = seen_worker(&call);
    let Worker { group, id } = &worker;
    call.authorize_scope(format!("queue:get-worker:{task_queue_id}/{group}/{id}"))?;
    let now = clock::now();
    let work = move |db: &Db<'_>| {
        let found = db.seen_worker(&task_queue_id, &worker, now)?;
        Ok(found.ok_or_else(|| no_such_worker(&task_queue_id, &worker))?)
    };
    let found = call.app.store.run(work).await?;
    Ok(Json(worker_to_json(&found, now)).into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    let task_queue_id = format!("{}/{}", call.param("provisionerId"), call.param("workerType"));
    call.authorize_scope(format!("queue:list-workers:{task_queue_id}"))?;
    let Page { limit, after } = Page::of(&call)?;
    let now = clock::now();
    let query = SeenQuery {
        task_queue_id,
        quarantined: pages::word(&call, "quarantined", &["true", "false"])?.map(|word| word == "true"),
        state: None,
        after: pages::pair(&after),
        limit,
    };
    let workers = call.app.store.run(move |db| db.seen_workers(&query, now)).await?;
    Ok(pages::answer("workers", limit, workers, |worker| {
        listed_worker(&worker, now)
    }))
}

/// A worker in quarantine is given no tasks. What it runs goes on.
async fn quarantine(call: Arc<Call>) -> Answer {
    let (task_queue_id, worker) = seen_worker(&call);
    let Worker { group, id } = &worker;
    call.authorize_scope(format!("queue:quarantine-worker:{task_queue_id}/{group}/{id}"))?;
    let mut fields = Fields::of_body(call.input()?, &["quarantineUntil", "quarantineInfo"])?;
    let until = fields.required_time("quarantineUntil");
    let what = format!("a string of at most {MAX_INFO} characters");
    let info = fields.text("quarantineInfo", &what, |text| text.chars().count() <= MAX_INFO);
    fields.check()?;
    let now = clock::now();
    let detail = json!({
        "updatedAt": timestamp::format(&now),
        "quarantineUntil": timestamp::format(&until),
        "quarantineInfo": info.unwrap_or_default(),
        "clientId": call.caller()?.client_id.as_deref().unwrap_or("(anonymous)"),
    });
    let work = move |db: &Db<'_>| {
        let mut found = db
            .seen_worker(&task_queue_id, &worker, now)?
            .ok_or_else(|| no_such_worker(&task_queue_id, &worker))?;
        db.quarantine(&mut found, until, detail)?;
        Ok(found)
    };
    let found = call.app.store.run(work).await?;
    Ok(Json(worker_to_json(&found, now)).into_response())
}

/// Makes a worker known before it claims, or remembers it until another time.
async fn declare(call: Arc<Call>) -> Answer {
    let (task_queue_id, worker) = seen_worker(&call);
    let Worker { group, id } = &worker;
    let mut fields = Fields::of_body(call.input()?, &["expires"])?;
    let expires = fields.time("expires");
    fields.check()?;
    // Each property has a scope of its own.
    let scopes = expires.map(|_| format!("queue:declare-worker:{task_queue_id}/{group}/{id}#expires"));
    call.authorize(&Expression::all(scopes))?;
    let now = clock::now();
    let work = move |db: &Db<'_>| {
        db.note_worker(&task_queue_id, &worker, now)?;
        if let Some(expires) = expires {
            db.keep_worker_until(&task_queue_id, &worker, expires)?;
        }
        let found = db.seen_worker(&task_queue_id, &worker, now)?;
        Ok(found.ok_or_else(|| no_such_worker(&task_queue_id, &worker))?)
    };
    let found = call.app.store.run(work).await?;
    Ok(Json(worker_to_json(&found, now)).into_response())
}
