//! Tasks: defined, looked up, scheduled, canceled, run again.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::header,
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use queue::wire::{Priority, TaskDefinition, TaskStatusResponse, timestamp};
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
    store::Db,
    task::{self, Change, Draft, Refusal, Task},
};

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/task/{taskId}",
            call(Method::GET, "task", definition).merge(call(Method::PUT, "createTask", create)),
        )
        .route("/task/{taskId}/status", call(Method::GET, "status", status))
        .route("/tasks", paged(Method::POST, "tasks", definitions))
        .route("/tasks/status", paged(Method::POST, "statuses", statuses))
        .route(
            "/task/{taskId}/schedule",
            call(Method::POST, "scheduleTask", schedule),
        )
        .route("/task/{taskId}/cancel", call(Method::POST, "cancelTask", cancel))
        .route("/task/{taskId}/rerun", call(Method::POST, "rerunTask", rerun))
}

/// The answer of most calls.
pub(super) fn status_response(task: &Task) -> Response {
    Json(TaskStatusResponse {
        status: task.status(),
    })
    .into_response()
}

/// 404 for a task.
pub(super) fn no_such_task(task_id: &str) -> ApiError {
    ApiError::not_found(format!(
        "`{task_id}` does not correspond to a task that exists.\nAre you sure this task has already been submitted?"
    ))
}

async fn definition(call: Arc<Call>) -> Answer {
    let task_id = call.task_id().to_owned();
    call.authorize_scope(format!("queue:get-task:{task_id}"))?;
    let found = {
        let task_id = task_id.clone();
        call.app.store.run(move |db| db.definition(&task_id)).await?
    };
    let text = found.ok_or_else(|| no_such_task(&task_id))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

async fn status(call: Arc<Call>) -> Answer {
    let task_id = call.task_id().to_owned();
    call.authorize_scope(format!("queue:status:{task_id}"))?;
    let task = call
        .app
        .store
        .run(move |db| Ok(db.task(&task_id)?.ok_or_else(|| no_such_task(&task_id))?))
        .await?;
    Ok(status_response(&task))
}

async fn definitions(call: Arc<Call>) -> Answer {
    let ids = task_ids(&call)?;
    call.authorize(&Expression::all(
        ids.iter().map(|id| format!("queue:get-task:{id}")),
    ))?;
    many(
        &call,
        ids,
        "tasks",
        |task| json!({ "taskId": task.task_id, "task": task.definition }),
    )
    .await
}

async fn statuses(call: Arc<Call>) -> Answer {
    let ids = task_ids(&call)?;
    call.authorize(&Expression::all(
        ids.iter().map(|id| format!("queue:status:{id}")),
    ))?;
    many(
        &call,
        ids,
        "statuses",
        |task| json!({ "taskId": task.task_id, "status": task.status() }),
    )
    .await
}

/// The taskIds of a batched call.
fn task_ids(call: &Call) -> Result<Vec<String>, ApiError> {
    let object = call.input()?.as_object();
    let ids = object
        .filter(|object| object.keys().all(|key| key == "taskIds"))
        .and_then(|object| match object.get("taskIds") {
            None => Some(Vec::new()),
            Some(ids) => ids
                .as_array()?
                .iter()
                .map(|id| id.as_str().map(str::to_owned))
                .collect(),
        });
    ids.ok_or_else(|| task::schema_error(&["data must be { taskIds: [string] }".to_owned()]))
}

/// A page of a batched call. TaskIds of no task are passed over.
async fn many(call: &Call, ids: Vec<String>, name: &str, show: fn(&Task) -> Value) -> Answer {
    let page = Page::of(call)?;
    let from: usize = page.after_number()?;
    let until = from.saturating_add(usize::try_from(page.limit).unwrap_or(usize::MAX));
    let more = until < ids.len();
    let found = call
        .app
        .store
        .run(move |db| {
            let mut found = Vec::new();
            for id in ids.iter().take(until).skip(from) {
                found.extend(db.task(id)?.as_ref().map(show));
            }
            Ok(found)
        })
        .await?;
    let last = more.then(|| until.to_string());
    Ok(Json(pages::body(name, found, last.as_ref())).into_response())
}

async fn create(call: Arc<Call>) -> Answer {
    let task_id = call.task_id().to_owned();
    let Draft(definition) = Draft::read(&task_id, call.input()?)?;
    call.authorize(&creation_scopes(&definition))?;
    let now = clock::now();
    task::check_times(&definition, now)?;
    let task = Task::new(task_id, definition);
    let task = call.app.store.run(move |db| db.define(task, now)).await?;
    Ok(status_response(&task))
}

/// What is needed to define a task: all that the task may do, and to create tasks of that kind.
fn creation_scopes(definition: &TaskDefinition) -> Expression {
    let TaskDefinition {
        provisioner_id,
        worker_type,
        ..
    } = definition;
    // Who may create urgent tasks may create less urgent ones.
    let priorities = PRIORITIES
        .iter()
        .filter(|(priority, _)| *priority <= definition.priority)
        .map(|(_, name)| format!("queue:create-task:{name}:{provisioner_id}/{worker_type}"));
    let mut all: Vec<Expression> = definition
        .scopes
        .iter()
        .cloned()
        .chain(
            definition
                .routes
                .iter()
                .map(|route| format!("queue:route:{route}")),
        )
        .chain([
            format!("queue:create-task:project:{}", definition.project_id),
            format!("queue:scheduler-id:{}", definition.scheduler_id),
        ])
        .map(Expression::Scope)
        .collect();
    all.push(Expression::any(priorities));
    Expression::All(all)
}

const PRIORITIES: &[(Priority, &str)] = &[
    (Priority::Highest, "highest"),
    (Priority::VeryHigh, "very-high"),
    (Priority::High, "high"),
    (Priority::Medium, "medium"),
    (Priority::Low, "low"),
    (Priority::VeryLow, "very-low"),
    (Priority::Lowest, "lowest"),
];

async fn schedule(call: Arc<Call>) -> Answer {
    change(call, "schedule", |task| task.schedule(clock::now())).await
}

async fn cancel(call: Arc<Call>) -> Answer {
    change(call, "cancel", |task| task.cancel(clock::now())).await
}

async fn rerun(call: Arc<Call>) -> Answer {
    change(call, "rerun", |task| task.rerun(clock::now())).await
}

/// A change that whoever scheduled a task may make.
async fn change(
    call: Arc<Call>,
    verb: &'static str,
    transition: fn(&mut Task) -> Result<Change, Refusal>,
) -> Answer {
    let in_store = Arc::clone(&call);
    let work = move |db: &Db<'_>| {
        let task_id = in_store.task_id();
        let mut task = db.task(task_id)?.ok_or_else(|| no_such_task(task_id))?;
        in_store.authorize(&change_scopes(verb, &task))?;
        match transition(&mut task) {
            Ok(Change::Made) => db.save(&task, clock::now())?,
            Ok(Change::None) => {}
            Err(refusal) => return Err(Failure::Refused(refused(verb, &task, refusal))),
        }
        Ok(task)
    };
    let task = call.app.store.run(work).await?;
    Ok(status_response(&task))
}

fn change_scopes(verb: &str, task: &Task) -> Expression {
    let definition = &task.definition;
    Expression::Any(vec![
        Expression::Scope(format!(
            "queue:{verb}-task:{}/{}/{}",
            definition.scheduler_id, definition.task_group_id, task.task_id
        )),
        Expression::Scope(format!("queue:{verb}-task-in-project:{}", definition.project_id)),
        // As it was once.
        Expression::all([
            format!("queue:{verb}-task"),
            format!(
                "assume:scheduler-id:{}/{}",
                definition.scheduler_id, definition.task_group_id
            ),
        ]),
    ])
}

fn refused(verb: &str, task: &Task, refusal: Refusal) -> ApiError {
    let task_id = &task.task_id;
    ApiError::conflict(match refusal {
        Refusal::PastDeadline => format!(
            "Task `{task_id}` can't be {}d past its deadline of {}.",
            match verb {
                "cancel" => "cancele",
                "rerun" => "reschedule",
                other => other,
            },
            timestamp::format(&task.definition.deadline)
        ),
        Refusal::TooManyRuns => format!("Maximum number of runs reached ({}).", task::MAX_RUNS),
        Refusal::NotRunning => format!("Task `{task_id}` is resolved or not running."),
    })
}
