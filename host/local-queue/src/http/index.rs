//! The index service: tasks found by name.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::IntoResponse as _,
    routing::MethodFilter,
};
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use queue::wire::timestamp;
use serde_json::{Number, Value, json};
use url::Url;

use super::{
    App,
    call::{Answer, Call, call, paged},
    pages::{self, Page},
};
use crate::{
    auth::{
        scopes::{Expression, satisfies},
        sign_address,
    },
    clock,
    error::{ApiError, Code, Failure},
    ids,
    store::{Db, IndexedTask, Namespace, path_of},
    task::Fields,
};

/// How many paths are looked up for one answer; there is another page if there are more.
const MAX_LOOKED_UP: usize = 10_000;
/// How long the address of an artifact that is not public can be used.
const SIGNED: TimeDelta = TimeDelta::minutes(15);
/// What a segment of an address keeps as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let tasks = |handler| paged(Method::GET, "listTasks", handler);
    let tasks_post = |handler| call(Method::POST, "listTasksPost", handler);
    let namespaces = || {
        paged(Method::GET, "listNamespaces", list_namespaces).merge(call(
            Method::POST,
            "listNamespacesPost",
            list_namespaces_post,
        ))
    };
    Router::new()
        .route(
            "/task/{namespace}",
            call(Method::GET, "findTask", find)
                .merge(call(Method::PUT, "insertTask", insert))
                .merge(call(Method::DELETE, "deleteTask", remove)),
        )
        .route(
            "/task/{namespace}/artifacts/{*name}",
            call(Method::GET, "findArtifactFromTask", find_artifact),
        )
        .route("/tasks", tasks(list_tasks).merge(tasks_post(list_tasks)))
        .route("/tasks/", tasks(list_tasks).merge(tasks_post(list_tasks)))
        .route(
            "/tasks/{namespace}",
            tasks(list_tasks).merge(tasks_post(list_tasks)),
        )
        .route(
            "/tasks/indexes",
            paged(Method::POST, "findTasksAtIndex", find_many).merge(paged(
                Method::GET,
                "listTasks",
                list_tasks_of_indexes,
            )),
        )
        .route("/namespaces", namespaces())
        .route("/namespaces/", namespaces())
        .route("/namespaces/{namespace}", namespaces())
}

fn to_json(indexed: &IndexedTask) -> Value {
    json!({
        "namespace": indexed.path,
        "taskId": indexed.task_id,
        "rank": number(indexed.rank),
        "data": indexed.data,
        "expires": timestamp::format(&indexed.expires),
    })
}

/// A number as JavaScript writes it: `1`, not `1.0`.
fn number(number: f64) -> Value {
    // What has more digits is no longer exact, and is left as it is.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return json!(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn not_found() -> ApiError {
    ApiError::not_found("Indexed task not found")
}

async fn look_up(call: &Call) -> Result<IndexedTask, ApiError> {
    let path = call.param("namespace").to_owned();
    let found = call
        .app
        .store
        .run(move |db| db.indexed_task(&path, clock::now()))
        .await?;
    found.ok_or_else(not_found)
}

async fn find(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!("index:find-task:{}", call.param("namespace")))?;
    Ok(Json(to_json(&look_up(&call).await?)).into_response())
}

async fn insert(call: Arc<Call>) -> Answer {
    let path = call.param("namespace").to_owned();
    call.authorize_scope(format!("index:insert-task:{path}"))?;
    let mut fields = Fields::of_body(call.input()?, &["taskId", "rank", "data", "expires"])?;
    let indexed = IndexedTask {
        path,
        task_id: fields.required("taskId", "a slugid", ids::is_slugid),
        rank: fields.required_number("rank"),
        data: fields.required_object("data"),
        expires: fields.required_time("expires"),
    };
    fields.check()?;
    let work = move |db: &Db<'_>| db.insert_indexed_task(indexed, clock::now());
    let there = call.app.store.run(work).await?;
    Ok(Json(to_json(&there)).into_response())
}

async fn remove(call: Arc<Call>) -> Answer {
    let path = call.param("namespace").to_owned();
    call.authorize_scope(format!("index:delete-task:{path}"))?;
    call.app
        .store
        .run(move |db| db.remove_indexed_task(&path))
        .await?;
    Ok(Json(json!({})).into_response())
}

async fn list_tasks(call: Arc<Call>) -> Answer {
    let namespace = call.param("namespace").to_owned();
    tasks_in(&call, namespace).await
}

/// Another call has the address of a namespace that is called so.
async fn list_tasks_of_indexes(call: Arc<Call>) -> Answer {
    tasks_in(&call, "indexes".to_owned()).await
}

async fn tasks_in(call: &Call, namespace: String) -> Answer {
    call.authorize_scope(format!("index:list-tasks:{namespace}"))?;
    let Page { limit, after } = Page::of(call)?;
    let tasks = call
        .app
        .store
        .run(move |db| db.indexed_tasks_after(&namespace, &after, limit, clock::now()))
        .await?;
    Ok(pages::answer("tasks", limit, tasks, |task| {
        // A name has no dot in it.
        let name = task.path.rsplit('.').next().unwrap_or_default();
        (name.to_owned(), to_json(&task))
    }))
}

async fn list_namespaces(call: Arc<Call>) -> Answer {
    let parent = call.param("namespace").to_owned();
    call.authorize_scope(format!("index:list-namespaces:{parent}"))?;
    let Page { limit, after } = Page::of(&call)?;
    let namespaces = call
        .app
        .store
        .run(move |db| db.namespaces_after(&parent, &after, limit, clock::now()))
        .await?;
    Ok(pages::answer("namespaces", limit, namespaces, |found| {
        let Namespace {
            parent,
            name,
            expires,
        } = found;
        let shown = json!({
            "namespace": path_of(&parent, &name),
            "name": name,
            "expires": timestamp::format(&expires),
        });
        (name, shown)
    }))
}

/// An old form of the same: it answers the first page, whatever the body says.
async fn list_namespaces_post(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["limit", "continuationToken"])?;
    fields.integer("limit", 1, 1000);
    fields.text("continuationToken", "a string", |_| true);
    fields.check()?;
    list_namespaces(call).await
}

async fn find_many(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["indexes"])?;
    let paths: BTreeSet<String> = fields
        .texts("indexes", "a string", |_| true)
        .into_iter()
        .collect();
    fields.check()?;
    call.authorize(&Expression::all(
        paths.iter().map(|path| format!("index:find-task:{path}")),
    ))?;
    let page = Page::of(&call)?;
    let work = move |db: &Db<'_>| look_up_page(db, paths, &page, clock::now());
    let (tasks, last) = call.app.store.run(work).await?;
    Ok(Json(pages::body("tasks", tasks.iter().map(to_json), last.as_ref())).into_response())
}

/// The tasks at the paths of a page, and the last of these if there are more.
fn look_up_page(
    db: &Db<'_>,
    paths: BTreeSet<String>,
    page: &Page,
    now: DateTime<Utc>,
) -> Result<(Vec<IndexedTask>, Option<String>), Failure> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut tasks = Vec::new();
    let mut last = None;
    let after = paths.into_iter().filter(|path| *path > page.after);
    for (looked_up, path) in after.enumerate() {
        if tasks.len() >= limit || looked_up >= MAX_LOOKED_UP {
            return Ok((tasks, last));
        }
        tasks.extend(db.indexed_task(&path, now)?);
        last = Some(path);
    }
    Ok((tasks, None))
}

/// Sends the caller to the queue, with a signature if the artifact is not public.
async fn find_artifact(call: Arc<Call>) -> Answer {
    let name = call.param("name");
    let scope = format!("queue:get-artifact:{name}");
    call.authorize_scope(scope.clone())?;
    let task_id = look_up(&call).await?.task_id;
    let address = format!(
        "{}/api/queue/v1/task/{task_id}/artifacts/{}",
        call.base,
        utf8_percent_encode(name, SEGMENT)
    );
    let address = if satisfies(call.app.clients.current().anonymous(), &scope) {
        address
    } else {
        let unsigned = || {
            ApiError::new(
                Code::InternalServerError,
                "The artifact's address can't be signed",
            )
        };
        let address = Url::parse(&address).map_err(|_| unsigned())?;
        sign_address(call.app.clients.root(), address, &[scope], clock::now() + SIGNED)
            .map_err(|_| unsigned())?
            .into()
    };
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}
