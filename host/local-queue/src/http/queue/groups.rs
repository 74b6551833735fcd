//! Task groups, and who depends on whom.

use std::sync::Arc;

use axum::{
    Json, Router,
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use queue::wire::{ListTaskGroupResponse, timestamp};
use serde_json::{Map, json};

use super::tasks::no_such_task;
use crate::{
    auth::scopes::Expression,
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    store::{Db, TaskGroup},
};

/// How many tasks of a group are canceled in one go.
const CANCELED_AT_ONCE: u32 = 100;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/task-group/{taskGroupId}",
            call(Method::GET, "getTaskGroup", group),
        )
        .route(
            "/task-group/{taskGroupId}/seal",
            call(Method::POST, "sealTaskGroup", seal),
        )
        .route(
            "/task-group/{taskGroupId}/cancel",
            call(Method::POST, "cancelTaskGroup", cancel),
        )
        .route(
            "/task-group/{taskGroupId}/list",
            paged(Method::GET, "listTaskGroup", list),
        )
        .route(
            "/task/{taskId}/dependents",
            paged(Method::GET, "listDependentTasks", dependents),
        )
}

fn authorized_group(call: &Call) -> Result<String, ApiError> {
    let task_group_id = call.param("taskGroupId").to_owned();
    call.authorize_scope(format!("queue:list-task-group:{task_group_id}"))?;
    Ok(task_group_id)
}

fn no_such_group(task_group_id: &str) -> ApiError {
    ApiError::not_found(format!("No task-group with taskGroupId: `{task_group_id}`"))
}

fn known_group(db: &Db<'_>, task_group_id: &str) -> Result<TaskGroup, Failure> {
    Ok(db
        .group(task_group_id)?
        .ok_or_else(|| no_such_group(task_group_id))?)
}

async fn group(call: Arc<Call>) -> Answer {
    let task_group_id = authorized_group(&call)?;
    let id = task_group_id.clone();
    let group = call.app.store.run(move |db| known_group(db, &id)).await?;
    Ok(group_answer(&task_group_id, &group))
}

fn group_answer(task_group_id: &str, group: &TaskGroup) -> Response {
    let mut body = Map::new();
    body.insert("taskGroupId".to_owned(), json!(task_group_id));
    body.insert("schedulerId".to_owned(), json!(group.scheduler_id));
    body.insert("expires".to_owned(), json!(timestamp::format(&group.expires)));
    if let Some(sealed) = &group.sealed {
        body.insert("sealed".to_owned(), json!(timestamp::format(sealed)));
    }
    Json(body).into_response()
}

/// A group for a caller who may do this with it: by its name, or with all projects that its tasks are of.
fn group_to_change(db: &Db<'_>, call: &Call, verb: &str) -> Result<TaskGroup, Failure> {
    let id = call.param("taskGroupId");
    let group = known_group(db, id)?;
    let by_name = format!("queue:{verb}-task-group:{id}");
    // Only who has not this scope makes us read all tasks.
    if call.authorize_scope(by_name.clone()).is_err() {
        let projects = db.projects_of_group(id)?;
        let by_project = |project: &String| format!("queue:{verb}-task-group-in-project:{project}");
        call.authorize(&Expression::Any(vec![
            Expression::Scope(by_name),
            Expression::all(projects.iter().map(by_project)),
        ]))?;
    }
    Ok(group)
}

/// No more tasks can be added from now on.
async fn seal(call: Arc<Call>) -> Answer {
    let in_store = Arc::clone(&call);
    let work = move |db: &Db<'_>| {
        group_to_change(db, &in_store, "seal")?;
        let id = in_store.param("taskGroupId");
        db.seal_group(id, clock::now())?;
        known_group(db, id)
    };
    let group = call.app.store.run(work).await?;
    Ok(group_answer(call.param("taskGroupId"), &group))
}

/// Cancels what is not resolved, some at a time, so that nobody waits long.
async fn cancel(call: Arc<Call>) -> Answer {
    let id = call.param("taskGroupId");
    let in_store = Arc::clone(&call);
    let work = move |db: &Db<'_>| {
        let id = in_store.param("taskGroupId");
        if group_to_change(db, &in_store, "cancel")?.sealed.is_none() {
            return Err(ApiError::conflict(format!(
                "Task group `{id}` is not sealed. Seal it first: otherwise tasks could still be added to it"
            ))
            .into());
        }
        db.group_size(id)
    };
    let size = call.app.store.run(work).await?;
    let mut task_ids = Vec::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let id = id.to_owned();
        let work = move |db: &Db<'_>| db.cancel_some_of_group(&id, from, CANCELED_AT_ONCE, clock::now());
        let canceled = call.app.store.run(work).await?;
        task_ids.extend(canceled.task_ids);
        after = canceled.next;
    }
    Ok(Json(json!({
        "taskGroupId": id,
        "taskGroupSize": size,
        "cancelledCount": task_ids.len(),
        "taskIds": task_ids,
    }))
    .into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    let task_group_id = authorized_group(&call)?;
    let page = Page::of(&call)?;
    let after = page.after_number()?;
    let id = task_group_id.clone();
    let (group, tasks) = call
        .app
        .store
        .run(move |db: &Db<'_>| {
            let group = known_group(db, &id)?;
            Ok((group, db.group_page(&id, after, page.limit)?))
        })
        .await?;
    Ok(Json(ListTaskGroupResponse {
        task_group_id,
        scheduler_id: group.scheduler_id,
        expires: group.expires,
        tasks: tasks.tasks,
        continuation_token: tasks.next.map(|last| pages::token(&last.to_string())),
    })
    .into_response())
}

async fn dependents(call: Arc<Call>) -> Answer {
    let task_id = call.task_id().to_owned();
    call.authorize_scope(format!("queue:list-dependent-tasks:{task_id}"))?;
    let page = Page::of(&call)?;
    let after = page.after_number()?;
    let id = task_id.clone();
    let tasks = call
        .app
        .store
        .run(move |db: &Db<'_>| {
            if db.definition(&id)?.is_none() {
                return Err(no_such_task(&id).into());
            }
            db.dependents_page(&id, after, page.limit)
        })
        .await?;
    let last = tasks.next.map(|last| last.to_string());
    let shown = tasks.tasks.iter().map(|task| json!(task));
    let mut body = pages::body("tasks", shown, last.as_ref());
    body.insert("taskId".to_owned(), json!(task_id));
    Ok(Json(body).into_response())
}
