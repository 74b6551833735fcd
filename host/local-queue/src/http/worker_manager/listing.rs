//! What the queue has seen of workers, together with what worker-manager knows of them.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use serde_json::{Value, json};

use crate::{
    clock,
    http::{
        App,
        call::{Answer, Call, call, queried},
        pages::{self, Page},
        queue::{listed_worker, no_such_worker, seen_worker, worker_to_json},
    },
    store::{SeenQuery, SeenWorker},
    task::Worker,
};

/// The states that workers are listed by.
const STATES: &[&str] = &["requested", "running", "stopping", "stopped"];

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let workers = "/provisioners/{provisionerId}/worker-types/{workerType}/workers";
    Router::new()
        .route(
            workers,
            queried(
                Method::GET,
                (
                    "listWorkers",
                    &[
                        "continuationToken",
                        "limit",
                        "launchConfigId",
                        "quarantined",
                        "workerState",
                    ],
                ),
                list,
            ),
        )
        .route(
            &format!("{workers}/{{workerGroup}}/{{workerId}}"),
            call(Method::GET, "getWorker", get),
        )
}

/// What worker-manager adds. A worker that it does not know stands alone.
fn with_managed(mut shown: Value, worker: &SeenWorker) -> Value {
    let (provider_id, state, capacity) = match &worker.managed {
        Some((provider_id, state, capacity)) => (provider_id.as_str(), state.as_str(), *capacity),
        None => ("none", "standalone", 0),
    };
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("workerPoolId".to_owned(), json!(worker.task_queue_id));
        shown.insert("providerId".to_owned(), json!(provider_id));
        shown.insert("state".to_owned(), json!(state));
        shown.insert("capacity".to_owned(), json!(capacity));
    }
    shown
}

async fn list(call: Arc<Call>) -> Answer {
    let task_queue_id = format!("{}/{}", call.param("provisionerId"), call.param("workerType"));
    call.authorize_scope(format!("worker-manager:list-workers:{task_queue_id}"))?;
    let Page { limit, after } = Page::of(&call)?;
    let now = clock::now();
    let query = SeenQuery {
        task_queue_id,
        quarantined: pages::word(&call, "quarantined", &["true", "false"])?.map(|word| word == "true"),
        state: pages::word(&call, "workerState", STATES)?,
        after: pages::pair(&after),
        limit,
    };
    let show = |worker: SeenWorker| {
        let (key, shown) = listed_worker(&worker, now);
        (key, with_managed(shown, &worker))
    };
    if call.query("launchConfigId").is_some() {
        // No worker here was launched by a config.
        return Ok(pages::answer("workers", limit, Vec::new(), show));
    }
    let workers = call.app.store.run(move |db| db.seen_workers(&query, now)).await?;
    Ok(pages::answer("workers", limit, workers, show))
}

async fn get(call: Arc<Call>) -> Answer {
    let (task_queue_id, worker) = seen_worker(&call);
    let Worker { group, id } = &worker;
    call.authorize_scope(format!("worker-manager:get-worker:{task_queue_id}/{group}/{id}"))?;
    let now = clock::now();
    let found = {
        let (task_queue_id, worker) = (task_queue_id.clone(), worker.clone());
        let work = move |db: &crate::store::Db<'_>| db.seen_worker(&task_queue_id, &worker, now);
        call.app.store.run(work).await?
    };
    let found = found.ok_or_else(|| no_such_worker(&task_queue_id, &worker))?;
    Ok(Json(with_managed(worker_to_json(&found, now), &found)).into_response())
}
