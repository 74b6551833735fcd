//! Task groups, and who depends on whom.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::{ListTaskGroupResponse, timestamp};
use serde_json::{Map, json};

use super::tasks::no_such_task;
use crate::{
    error::ApiError,
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    store::Db,
};

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/task-group/{taskGroupId}",
            call(Method::GET, "getTaskGroup", group),
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

async fn group(call: Arc<Call>) -> Answer {
    let task_group_id = authorized_group(&call)?;
    let id = task_group_id.clone();
    let group = call
        .app
        .store
        .run(move |db| Ok(db.group(&id)?.ok_or_else(|| no_such_group(&id))?))
        .await?;
    Ok(Json(json!({
        "taskGroupId": task_group_id,
        "schedulerId": group.scheduler_id,
        "expires": timestamp::format(&group.expires),
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
            let group = db.group(&id)?.ok_or_else(|| no_such_group(&id))?;
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
    let mut body = Map::new();
    body.insert("taskId".to_owned(), json!(task_id));
    body.insert("tasks".to_owned(), json!(tasks.tasks));
    if let Some(last) = tasks.next {
        body.insert(
            "continuationToken".to_owned(),
            json!(pages::token(&last.to_string())),
        );
    }
    Ok(Json(body).into_response())
}
