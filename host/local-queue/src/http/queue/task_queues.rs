//! Task queues, and the provisioners and workerTypes that their names are made of: which there are, and what waits and runs there.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::timestamp;
use serde_json::{Value, json};

use crate::{
    auth::scopes::Expression,
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    ids,
    store::{Db, TaskPage, TaskQueue},
    task::{Fields, Task},
};

/// How many task queues are counted by one call.
const MAX_COUNTED: usize = 1000;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let provisioner = "/provisioners/{provisionerId}";
    Router::new()
        .route("/task-queues", paged(Method::GET, "listTaskQueues", list))
        .route(
            "/task-queues/{taskQueueId}",
            call(Method::GET, "getTaskQueue", get),
        )
        .route(
            "/task-queues/{taskQueueId}/counts",
            call(Method::GET, "taskQueueCounts", counts),
        )
        .route(
            "/task-queues/counts",
            call(Method::POST, "taskQueueCountsBatch", counts_of_many),
        )
        .route(
            "/task-queues/{taskQueueId}/pending",
            paged(Method::GET, "listPendingTasks", pending),
        )
        .route(
            "/task-queues/{taskQueueId}/claimed",
            paged(Method::GET, "listClaimedTasks", claimed),
        )
        .route(
            "/provisioners",
            paged(Method::GET, "listProvisioners", provisioners),
        )
        .route(provisioner, call(Method::GET, "getProvisioner", get_provisioner))
        .route(
            &format!("{provisioner}/worker-types"),
            paged(Method::GET, "listWorkerTypes", worker_types),
        )
        .route(
            &format!("{provisioner}/worker-types/{{workerType}}"),
            call(Method::GET, "getWorkerType", get_worker_type),
        )
}

/// What a task queue, a provisioner and a workerType have in common, beside their names.
fn shown(queue: &TaskQueue, names: Value) -> Value {
    let mut shown = json!({
        "stability": "experimental",
        "description": "",
        "expires": timestamp::format(&queue.expires),
        "lastDateActive": timestamp::format(&queue.last_active),
    });
    if let (Some(shown), Value::Object(names)) = (shown.as_object_mut(), names) {
        shown.extend(names);
    }
    shown
}

fn task_queue_id(queue: &TaskQueue) -> String {
    format!("{}/{}", queue.provisioner_id, queue.worker_type)
}

fn queue_to_json(queue: &TaskQueue) -> Value {
    shown(queue, json!({ "taskQueueId": task_queue_id(queue) }))
}

fn provisioner_to_json(queue: &TaskQueue) -> Value {
    let names = json!({ "provisionerId": queue.provisioner_id, "actions": [] });
    shown(queue, names)
}

fn worker_type_to_json(queue: &TaskQueue) -> Value {
    let names = json!({
        "provisionerId": queue.provisioner_id,
        "workerType": queue.worker_type,
        "actions": [],
    });
    shown(queue, names)
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("queue:list-task-queues".to_owned())?;
    let Page { limit, after } = Page::of(&call)?;
    let (provisioner_id, worker_type) = pages::pair(&after);
    let work = move |db: &Db<'_>| db.task_queues_after((&provisioner_id, &worker_type), limit, clock::now());
    let queues = call.app.store.run(work).await?;
    Ok(pages::answer("taskQueues", limit, queues, |queue| {
        (task_queue_id(&queue), queue_to_json(&queue))
    }))
}

async fn find(call: &Call, id: String, missing: String) -> Result<TaskQueue, ApiError> {
    let work = move |db: &Db<'_>| db.task_queue(&id, clock::now());
    let found = call.app.store.run(work).await?;
    found.ok_or_else(|| ApiError::not_found(missing))
}

async fn get(call: Arc<Call>) -> Answer {
    let id = call.param("taskQueueId").to_owned();
    call.authorize_scope(format!("queue:get-task-queue:{id}"))?;
    let missing = format!("Task queue `{id}` not found. Are you sure it was created?");
    let queue = find(&call, id, missing).await?;
    Ok(Json(queue_to_json(&queue)).into_response())
}

async fn provisioners(call: Arc<Call>) -> Answer {
    call.authorize_scope("queue:list-provisioners".to_owned())?;
    let Page { limit, after } = Page::of(&call)?;
    let work = move |db: &Db<'_>| db.provisioners_after(&after, limit, clock::now());
    let found = call.app.store.run(work).await?;
    Ok(pages::answer("provisioners", limit, found, |queue| {
        (queue.provisioner_id.clone(), provisioner_to_json(&queue))
    }))
}

async fn get_provisioner(call: Arc<Call>) -> Answer {
    let id = call.param("provisionerId").to_owned();
    call.authorize_scope(format!("queue:get-provisioner:{id}"))?;
    let work = move |db: &Db<'_>| {
        let found = db.provisioner(&id, clock::now())?;
        Ok(found.ok_or_else(|| {
            ApiError::not_found(format!(
                "Provisioner with provisionerId `{id}` not found. Are you sure it was created?"
            ))
        })?)
    };
    let found = call.app.store.run(work).await?;
    Ok(Json(provisioner_to_json(&found)).into_response())
}

async fn worker_types(call: Arc<Call>) -> Answer {
    let id = call.param("provisionerId").to_owned();
    call.authorize_scope(format!("queue:list-worker-types:{id}"))?;
    let Page { limit, after } = Page::of(&call)?;
    let work = move |db: &Db<'_>| db.worker_types_after((&id, &after), limit, clock::now());
    let found = call.app.store.run(work).await?;
    Ok(pages::answer("workerTypes", limit, found, |queue| {
        (queue.worker_type.clone(), worker_type_to_json(&queue))
    }))
}

async fn get_worker_type(call: Arc<Call>) -> Answer {
    let (provisioner_id, worker_type) = (call.param("provisionerId"), call.param("workerType"));
    let id = format!("{provisioner_id}/{worker_type}");
    call.authorize_scope(format!("queue:get-worker-type:{id}"))?;
    let missing = format!(
        "Worker-type with workerType `{worker_type}` and provisionerId `{provisioner_id}` not found. Are you sure it \
         was created?"
    );
    let queue = find(&call, id, missing).await?;
    Ok(Json(worker_type_to_json(&queue)).into_response())
}

/// What is needed to count the tasks of a task queue.
fn count_scopes(task_queue_id: &str) -> [String; 2] {
    [
        format!("queue:pending-count:{task_queue_id}"),
        format!("queue:claimed-count:{task_queue_id}"),
    ]
}

fn count(db: &Db<'_>, task_queue_id: &str) -> Result<Value, Failure> {
    let (provisioner_id, worker_type) = task_queue_id.split_once('/').unwrap_or_default();
    Ok(json!({
        "provisionerId": provisioner_id,
        "workerType": worker_type,
        "taskQueueId": task_queue_id,
        "pendingTasks": db.count_pending(task_queue_id)?,
        "claimedTasks": db.count_running(task_queue_id)?,
    }))
}

async fn counts(call: Arc<Call>) -> Answer {
    let id = call.param("taskQueueId").to_owned();
    call.authorize(&Expression::all(count_scopes(&id)))?;
    let counted = call.app.store.run(move |db| count(db, &id)).await?;
    Ok(Json(counted).into_response())
}

async fn counts_of_many(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["taskQueueIds"])?;
    let ids = fields.required_texts(
        "taskQueueIds",
        "<provisionerId>/<workerType>",
        ids::is_task_queue_id,
    );
    fields.bound("taskQueueIds", ids.len(), MAX_COUNTED);
    fields.unique("taskQueueIds", &ids);
    fields.check()?;
    call.authorize(&Expression::all(ids.iter().flat_map(|id| count_scopes(id))))?;
    let work = move |db: &Db<'_>| ids.iter().map(|id| count(db, id)).collect::<Result<Vec<_>, _>>();
    let counted = call.app.store.run(work).await?;
    Ok(Json(json!({ "taskQueueCounts": counted })).into_response())
}

/// The number and the taskId that the former page ended with.
fn after(page: &Page) -> Result<(i64, String), ApiError> {
    if page.after.is_empty() {
        return Ok((0, String::new()));
    }
    let (number, task_id) = pages::pair(&page.after);
    let number = number.parse().map_err(|_| pages::bad_token())?;
    Ok((number, task_id))
}

fn tasks_answer(page: &TaskPage, show: impl Fn(&Task) -> Option<Value>) -> Answer {
    let last = page.next.as_ref();
    let last = last.map(|(number, task_id)| format!("{number}/{task_id}"));
    let shown = page.tasks.iter().filter_map(show);
    Ok(Json(pages::body("tasks", shown, last.as_ref())).into_response())
}

async fn pending(call: Arc<Call>) -> Answer {
    let id = call.param("taskQueueId").to_owned();
    call.authorize_scope(format!("queue:pending-list:{id}"))?;
    let page = Page::of(&call)?;
    let after = after(&page)?;
    let work = move |db: &Db<'_>| db.pending_page(&id, &after, page.limit);
    let found = call.app.store.run(work).await?;
    tasks_answer(&found, |task| {
        let run = task.runs.last()?;
        Some(json!({
            "taskId": task.task_id,
            "runId": run.run_id,
            "inserted": timestamp::format(&run.scheduled),
            "task": task.definition,
        }))
    })
}

async fn claimed(call: Arc<Call>) -> Answer {
    let id = call.param("taskQueueId").to_owned();
    call.authorize_scope(format!("queue:claimed-list:{id}"))?;
    let page = Page::of(&call)?;
    let after = after(&page)?;
    let work = move |db: &Db<'_>| db.running_page(&id, &after, page.limit);
    let found = call.app.store.run(work).await?;
    tasks_answer(&found, |task| {
        let run = task.runs.last()?;
        Some(json!({
            "taskId": task.task_id,
            "runId": run.run_id,
            "workerGroup": run.worker_group,
            "workerId": run.worker_id,
            "claimed": timestamp::format(&run.started?),
            "task": task.definition,
        }))
    })
}
