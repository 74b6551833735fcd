//! Worker pools: made, changed, deleted, listed.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::timestamp;
use serde_json::{Value, json};

use crate::{
    auth::scopes::Expression,
    clock,
    error::{ApiError, Code, Failure},
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    ids,
    pool::{NULL_PROVIDER, STATIC, WorkerPool, WorkerState, check_config},
    store::Db,
    task::Fields,
};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 10_240;
/// The longest address of an owner.
const MAX_OWNER: usize = 320;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route("/providers", paged(Method::GET, "listProviders", providers))
        .route("/worker-pools", paged(Method::GET, "listWorkerPools", list))
        // One segment, its slash encoded, or two.
        .route(
            "/worker-pool/{*workerPoolId}",
            call(Method::GET, "workerPool", get)
                .merge(call(Method::PUT, "createWorkerPool", create))
                .merge(call(Method::POST, "updateWorkerPool", update))
                .merge(call(Method::DELETE, "deleteWorkerPool", delete)),
        )
}

async fn providers(call: Arc<Call>) -> Answer {
    call.authorize_scope("worker-manager:list-providers".to_owned())?;
    let page = Page::of(&call)?;
    let all = [STATIC].into_iter().filter(|id| *id > page.after.as_str());
    let show = |id: &str| (id.to_owned(), json!({ "providerId": id, "providerType": id }));
    Ok(pages::answer("providers", page.limit, all.collect(), show))
}

async fn get(call: Arc<Call>) -> Answer {
    let id = call.param("workerPoolId").to_owned();
    call.authorize_scope(format!("worker-manager:get-worker-pool:{id}"))?;
    let shown = call
        .app
        .store
        .run(move |db| to_json(db, &db.known_pool(&id)?))
        .await?;
    Ok(Json(shown).into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("worker-manager:list-worker-pools".to_owned())?;
    let Page { limit, after } = Page::of(&call)?;
    let work = move |db: &Db<'_>| {
        let shown = |pool: WorkerPool| Ok((to_json(db, &pool)?, pool.worker_pool_id));
        let pools = db.pools_after(&after, limit)?;
        pools.into_iter().map(shown).collect::<Result<Vec<_>, Failure>>()
    };
    let pools = call.app.store.run(work).await?;
    Ok(pages::answer("workerPools", limit, pools, |(shown, id)| {
        (id, shown)
    }))
}

async fn create(call: Arc<Call>) -> Answer {
    let now = clock::now();
    let pool = read(&call, &[])?;
    let work = move |db: &Db<'_>| {
        if db.pool(&pool.worker_pool_id)?.is_some() {
            return Err(ApiError::conflict("Worker pool already exists").into());
        }
        let pool = WorkerPool { created: now, ..pool };
        db.save_pool(&pool)?;
        to_json(db, &pool)
    };
    Ok(Json(call.app.store.run(work).await?).into_response())
}

async fn update(call: Arc<Call>) -> Answer {
    let pool = read(&call, &["workerPoolId", "created", "lastModified"])?;
    let named = call.input()?.get("workerPoolId").and_then(Value::as_str);
    if named.is_some_and(|named| named != pool.worker_pool_id) {
        return Err(ApiError::input("Incorrect workerPoolId in request body"));
    }
    let work = move |db: &Db<'_>| {
        let former = db.known_pool(&pool.worker_pool_id)?;
        let pool = WorkerPool {
            created: former.created,
            ..pool
        };
        db.save_pool(&pool)?;
        to_json(db, &pool)
    };
    Ok(Json(call.app.store.run(work).await?).into_response())
}

/// The pool that a body defines, for a caller who may. `more`: what the body may have beside it.
fn read(call: &Call, more: &[&str]) -> Result<WorkerPool, ApiError> {
    let worker_pool_id = call.param("workerPoolId").to_owned();
    let worker_type = worker_pool_id.split_once('/').map(|(_, worker_type)| worker_type);
    if !worker_type.is_some_and(ids::is_worker_type) {
        return Err(ApiError::new(
            Code::InvalidRequestArguments,
            format!(
                "URL parameter 'workerPoolId' given as '{worker_pool_id}' must end in a workerType in lower case"
            ),
        ));
    }
    let known = [
        &["providerId", "description", "config", "owner", "emailOnError"][..],
        more,
    ]
    .concat();
    let mut fields = Fields::of_body(call.input()?, &known)?;
    let now = clock::now();
    let pool = WorkerPool {
        provider_id: fields.required("providerId", "an identifier", ids::is_identifier),
        description: fields.required_text("description", MAX_DESCRIPTION),
        config: fields.required_object("config"),
        owner: fields.required("owner", "an email address", is_email),
        email_on_error: fields.required_boolean("emailOnError"),
        created: now,
        last_modified: now,
        worker_pool_id,
    };
    fields.check()?;
    call.authorize(&Expression::all([
        format!("worker-manager:manage-worker-pool:{}", pool.worker_pool_id),
        format!("worker-manager:provider:{}", pool.provider_id),
    ]))?;
    check_config(&pool.provider_id, &pool.config)?;
    Ok(pool)
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    text.len() <= MAX_OWNER
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| is_part(local) && is_part(domain))
}

/// It is remembered until its last worker has stopped; until then it can be updated.
async fn delete(call: Arc<Call>) -> Answer {
    let id = call.param("workerPoolId").to_owned();
    call.authorize_scope(format!("worker-manager:manage-worker-pool:{id}"))?;
    let work = move |db: &Db<'_>| {
        let pool = WorkerPool {
            provider_id: NULL_PROVIDER.to_owned(),
            last_modified: clock::now(),
            ..db.known_pool(&id)?
        };
        db.save_pool(&pool)?;
        to_json(db, &pool)
    };
    Ok(Json(call.app.store.run(work).await?).into_response())
}

fn to_json(db: &Db<'_>, pool: &WorkerPool) -> Result<Value, Failure> {
    let running = db.count_workers(&pool.worker_pool_id, WorkerState::Running)?;
    let stopped = db.count_workers(&pool.worker_pool_id, WorkerState::Stopped)?;
    Ok(json!({
        "workerPoolId": pool.worker_pool_id,
        "providerId": pool.provider_id,
        "description": pool.description,
        "created": timestamp::format(&pool.created),
        "lastModified": timestamp::format(&pool.last_modified),
        "config": pool.config,
        "owner": pool.owner,
        "emailOnError": pool.email_on_error,
        "currentCapacity": running.capacity,
        "requestedCount": 0,
        "runningCount": running.count,
        "stoppingCount": 0,
        "stoppedCount": stopped.count,
        "requestedCapacity": 0,
        "runningCapacity": running.capacity,
        "stoppingCapacity": 0,
        "stoppedCapacity": stopped.capacity,
    }))
}
