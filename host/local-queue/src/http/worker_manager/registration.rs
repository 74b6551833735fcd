//! Registration: a worker's secret is traded for credentials, and these for new ones as long as the worker is to run.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::{Credentials, RegisterWorkerResponse, ReregisterWorkerResponse};
use serde_json::Value;

use crate::{
    auth::{self, TemporaryCredentials},
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{self, Answer, Call},
    },
    ids,
    pool::{self, Fingerprint, ManagedWorker, STATIC, WorkerName, WorkerPool},
    store::Db,
    task::Fields,
};

/// How long before now credentials are good, for clocks that are behind.
const DRIFT: TimeDelta = TimeDelta::minutes(15);
/// Secrets are two slugids.
const SECRET_LENGTH: usize = 44;
/// Who has registered, and where.
type Registered = (ManagedWorker, WorkerPool);

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/worker/register",
            call::secret(Method::POST, ("registerWorker", "workerIdentityProof"), register),
        )
        .route(
            "/worker/reregister",
            call::secret(Method::POST, ("reregisterWorker", "secret"), reregister),
        )
}

fn read_name(fields: &mut Fields<'_>) -> WorkerName {
    WorkerName {
        worker_pool_id: fields.required(
            "workerPoolId",
            "<provisionerId>/<workerType>",
            ids::is_task_queue_id,
        ),
        worker_group: fields.required("workerGroup", "an identifier", ids::is_identifier),
        worker_id: fields.required("workerId", "an identifier", ids::is_identifier),
    }
}

/// Needs no credentials: these are what it is for.
async fn register(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(
        call.input()?,
        &[
            "workerPoolId",
            "providerId",
            "workerGroup",
            "workerId",
            "workerIdentityProof",
            "systemBootTime",
        ],
    )?;
    let name = read_name(&mut fields);
    let provider_id = fields.required("providerId", "an identifier", ids::is_identifier);
    let proof = fields.required_object("workerIdentityProof");
    fields.time("systemBootTime");
    fields.check()?;
    let static_secret = proof
        .get("staticSecret")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let now = clock::now();
    let secret = new_secret();
    let registration = Fingerprint::of(&secret);
    let work = move |db: &Db<'_>| -> Result<Registered, Failure> {
        let pool = db.known_pool(&name.worker_pool_id)?;
        if provider_id != STATIC {
            return Err(ApiError::not_found(format!("Provider {provider_id} does not exist")).into());
        }
        let worker = db.known_worker(&name)?;
        worker.check_registration(&provider_id, static_secret.as_deref(), now)?;
        let worker = registered(worker, registration, now);
        db.save_worker(&worker)?;
        Ok((worker, pool))
    };
    let (worker, pool) = call.app.store.run(work).await?;
    let expires = pool.credentials_end(&worker, now);
    tracing::info!(worker = %worker.name, %expires, "a worker has registered");
    Ok(Json(RegisterWorkerResponse {
        expires,
        credentials: credentials(&call.app, &worker, expires)?,
        worker_config: pool.worker_config(),
        secret,
    })
    .into_response())
}

/// A secret is good for one time.
async fn reregister(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(
        call.input()?,
        &["workerPoolId", "workerGroup", "workerId", "secret"],
    )?;
    let name = read_name(&mut fields);
    let former = fields.required("secret", "44 characters", |text| text.len() == SECRET_LENGTH);
    fields.check()?;
    call.authorize_scope(format!("worker-manager:reregister-worker:{name}"))?;
    let now = clock::now();
    let secret = new_secret();
    let registration = Fingerprint::of(&secret);
    let work = move |db: &Db<'_>| -> Result<Registered, Failure> {
        let worker = db.worker(&name)?.ok_or_else(pool::wrong_registration)?;
        worker.check_reregistration(&former, now)?;
        let pool = db.known_pool(&name.worker_pool_id)?;
        let worker = registered(worker, registration, now);
        db.save_worker(&worker)?;
        Ok((worker, pool))
    };
    let (worker, pool) = call.app.store.run(work).await?;
    let expires = pool.credentials_end(&worker, now);
    Ok(Json(ReregisterWorkerResponse {
        expires,
        credentials: credentials(&call.app, &worker, expires)?,
        secret,
    })
    .into_response())
}

fn new_secret() -> String {
    format!("{}{}", slugid::nice(), slugid::nice())
}

fn registered(worker: ManagedWorker, registration: Fingerprint, now: DateTime<Utc>) -> ManagedWorker {
    ManagedWorker {
        registration: Some(registration),
        last_modified: now,
        ..worker
    }
}

fn credentials(app: &App, worker: &ManagedWorker, expiry: DateTime<Utc>) -> Result<Credentials, Failure> {
    let wanted = TemporaryCredentials {
        client_id: Some(format!("worker/{}/{}", worker.provider_id, worker.name)),
        start: clock::now() - DRIFT,
        expiry,
        scopes: worker.scopes(),
    };
    Ok(auth::issue(app.clients.root(), wanted)?)
}
