//! The workers of a pool: created, changed, removed, looked up, listed, told to go.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use chrono::{DateTime, Utc};
use queue::wire::{ShouldWorkerTerminateResponse, timestamp};
use serde_json::{Value, json};

use crate::{
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{self, Answer, Call, call, paged, queried},
        pages::{self, Page},
    },
    pool::{Fingerprint, ManagedWorker, STATIC, WorkerName, WorkerPool, WorkerState},
    store::{Db, WorkersQuery},
    task::Fields,
};

/// The states that workers are listed by. There are none here that are only requested, or are stopping.
const STATES: &[&str] = &["requested", "running", "stopping", "stopped"];

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/workers/{workerPoolId}",
            queried(
                Method::GET,
                (
                    "listWorkersForWorkerPool",
                    &["continuationToken", "limit", "launchConfigId", "state"],
                ),
                list_pool,
            ),
        )
        .route(
            "/workers/{workerPoolId}/{workerGroup}",
            paged(Method::GET, "listWorkersForWorkerGroup", list_group),
        )
        .route(
            "/workers/{workerPoolId}/{workerGroup}/{workerId}",
            call(Method::GET, "worker", get)
                .merge(call::secret(
                    Method::PUT,
                    ("createWorker", "providerInfo"),
                    create,
                ))
                .merge(call::secret(
                    Method::POST,
                    ("updateWorker", "providerInfo"),
                    update,
                ))
                .merge(call(Method::DELETE, "removeWorker", remove)),
        )
        .route(
            "/workers/{workerPoolId}/{workerGroup}/{workerId}/should-terminate",
            call(Method::GET, "shouldWorkerTerminate", should_terminate),
        )
}

/// The worker of the path, for a caller who may do this with it.
fn authorized(call: &Call, what: &str) -> Result<WorkerName, ApiError> {
    let name = WorkerName {
        worker_pool_id: call.param("workerPoolId").to_owned(),
        worker_group: call.param("workerGroup").to_owned(),
        worker_id: call.param("workerId").to_owned(),
    };
    call.authorize_scope(format!("worker-manager:{what}:{name}"))?;
    Ok(name)
}

fn to_json(worker: &ManagedWorker) -> Value {
    json!({
        "workerPoolId": worker.name.worker_pool_id,
        "workerGroup": worker.name.worker_group,
        "workerId": worker.name.worker_id,
        "providerId": worker.provider_id,
        "created": timestamp::format(&worker.created),
        "expires": timestamp::format(&worker.expires),
        "lastModified": timestamp::format(&worker.last_modified),
        // There is no cloud to check it with.
        "lastChecked": timestamp::format(&worker.created),
        "state": worker.state.word(),
        "capacity": worker.capacity,
    })
}

async fn get(call: Arc<Call>) -> Answer {
    let name = authorized(&call, "get-worker")?;
    let worker = call.app.store.run(move |db| db.known_worker(&name)).await?;
    Ok(Json(to_json(&worker)).into_response())
}

/// What the body of `createWorker` and `updateWorker` says.
struct Wanted {
    expires: DateTime<Utc>,
    capacity: u32,
    static_secret: Option<Fingerprint>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, &["expires", "capacity", "providerInfo"])?;
        let expires = fields.required_time("expires");
        let capacity = fields.integer("capacity", 1, u32::MAX).unwrap_or(1);
        let info = fields.object("providerInfo");
        fields.check()?;
        let static_secret = match info {
            None => None,
            Some(info) => {
                let mut fields = Fields::new(info, "data.providerInfo");
                fields.refuse_unknown(&["staticSecret"]);
                let secret = fields.required(
                    "staticSecret",
                    "44 letters, digits, - and _: slugid() + slugid()",
                    is_secret,
                );
                fields.check()?;
                Some(Fingerprint::of(&secret))
            }
        };
        Ok(Self {
            expires,
            capacity,
            static_secret,
        })
    }

    /// Only pools whose workers are made by hand have secrets for them.
    fn secret_for(&self, pool: &WorkerPool) -> Result<Fingerprint, ApiError> {
        if pool.provider_id != STATIC {
            return Err(ApiError::input(format!(
                "Workers of provider {} can't be created or updated",
                pool.provider_id
            )));
        }
        let secret = self.static_secret.clone();
        secret.ok_or_else(|| ApiError::input("no worker staticSecret provided"))
    }
}

fn is_secret(text: &str) -> bool {
    text.len() == 44
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

async fn create(call: Arc<Call>) -> Answer {
    let name = authorized(&call, "create-worker")?;
    let wanted = Wanted::read(call.input()?)?;
    let worker = call
        .app
        .store
        .run(move |db| create_worker(db, name, &wanted, clock::now()))
        .await?;
    Ok(Json(to_json(&worker)).into_response())
}

/// The same worker may be created again; no other takes its name, as long as it is remembered.
fn create_worker(
    db: &Db<'_>,
    name: WorkerName,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<ManagedWorker, Failure> {
    let pool = db.known_pool(&name.worker_pool_id)?;
    if wanted.expires < now {
        return Err(ApiError::input("worker.expires must be in the future").into());
    }
    let static_secret = wanted.secret_for(&pool)?;
    if let Some(existing) = db.worker(&name)? {
        let is_same = existing.provider_id == pool.provider_id
            && existing.static_secret == static_secret
            && existing.state == WorkerState::Running;
        if is_same {
            return Ok(existing);
        }
        return Err(ApiError::conflict(match existing.state {
            WorkerState::Running => format!("Worker `{name}` already exists"),
            WorkerState::Stopped => {
                format!("Worker `{name}` was removed, and its name can't be used again before it expires")
            }
        })
        .into());
    }
    let worker = ManagedWorker {
        name,
        provider_id: pool.provider_id,
        state: WorkerState::Running,
        capacity: wanted.capacity,
        created: now,
        expires: wanted.expires,
        last_modified: now,
        static_secret,
        registration: None,
    };
    db.save_worker(&worker)?;
    Ok(worker)
}

async fn update(call: Arc<Call>) -> Answer {
    let name = authorized(&call, "update-worker")?;
    let wanted = Wanted::read(call.input()?)?;
    let work = move |db: &Db<'_>| {
        let pool = db.known_pool(&name.worker_pool_id)?;
        let former = db.known_worker(&name)?;
        let worker = ManagedWorker {
            // A time that has passed ends it at once.
            expires: wanted.expires,
            capacity: wanted.capacity,
            static_secret: wanted.secret_for(&pool)?,
            last_modified: clock::now(),
            ..former
        };
        db.save_worker(&worker)?;
        Ok(worker)
    };
    let worker = call.app.store.run(work).await?;
    Ok(Json(to_json(&worker)).into_response())
}

/// What the worker was running is pending again at once.
async fn remove(call: Arc<Call>) -> Answer {
    let name = authorized(&call, "remove-worker")?;
    let work = move |db: &Db<'_>| {
        let now = clock::now();
        let former = db.known_worker(&name)?;
        db.shut_down_runs_of(&name, now)?;
        db.save_worker(&ManagedWorker {
            state: WorkerState::Stopped,
            last_modified: now,
            ..former
        })
    };
    call.app.store.run(work).await?;
    Ok(Json(json!({})).into_response())
}

async fn should_terminate(call: Arc<Call>) -> Answer {
    let name = authorized(&call, "should-worker-terminate")?;
    let work = move |db: &Db<'_>| {
        let worker = db.known_worker(&name)?;
        let pool = db.pool(&name.worker_pool_id)?;
        Ok(worker.reason_to_terminate(pool.as_ref(), clock::now()))
    };
    let reason = call.app.store.run(work).await?;
    Ok(Json(ShouldWorkerTerminateResponse {
        terminate: reason.is_some(),
        reason: reason.unwrap_or("needed").to_owned(),
    })
    .into_response())
}

async fn list_pool(call: Arc<Call>) -> Answer {
    let worker_pool_id = call.param("workerPoolId").to_owned();
    call.authorize_scope(format!("worker-manager:list-workers:{worker_pool_id}"))?;
    let Page { limit, after } = Page::of(&call)?;
    let state = pages::word(&call, "state", STATES)?;
    if call.query("launchConfigId").is_some() {
        // No worker here was launched by a config.
        return Ok(pages::answer("workers", limit, Vec::new(), listed));
    }
    list(
        &call,
        WorkersQuery {
            worker_pool_id,
            worker_group: None,
            state,
            after: pages::pair(&after),
            limit,
        },
    )
    .await
}

async fn list_group(call: Arc<Call>) -> Answer {
    let worker_pool_id = call.param("workerPoolId").to_owned();
    let worker_group = call.param("workerGroup").to_owned();
    call.authorize_scope(format!(
        "worker-manager:list-workers:{worker_pool_id}/{worker_group}"
    ))?;
    let Page { limit, after } = Page::of(&call)?;
    list(
        &call,
        WorkersQuery {
            worker_pool_id,
            worker_group: Some(worker_group),
            state: None,
            after: pages::pair(&after),
            limit,
        },
    )
    .await
}

async fn list(call: &Call, query: WorkersQuery) -> Answer {
    let limit = query.limit;
    let work = move |db: &Db<'_>| {
        db.known_pool(&query.worker_pool_id)?;
        db.workers_after(&query)
    };
    let workers = call.app.store.run(work).await?;
    Ok(pages::answer("workers", limit, workers, listed))
}

fn listed(worker: ManagedWorker) -> (String, Value) {
    let name = &worker.name;
    let key = format!("{}/{}", name.worker_group, name.worker_id);
    (key, to_json(&worker))
}
