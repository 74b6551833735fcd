//! The purge-cache service: which caches workers are to throw away.

use std::sync::Arc;

use axum::{Json, Router, http::StatusCode, response::IntoResponse as _, routing::MethodFilter};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use queue::wire::timestamp;
use serde_json::{Value, json};

use super::{
    App,
    call::{Answer, Call, call, paged, queried},
    pages::{self, Page},
};
use crate::{
    clock,
    error::{ApiError, Code},
    store::CachePurge,
    task::Fields,
};

/// How long workers are told. A worker that asks less often than that has no business with old caches.
const TOLD: TimeDelta = TimeDelta::days(1);

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route("/purge-cache/list", paged(Method::GET, "allPurgeRequests", list))
        .route(
            "/purge-cache/{*workerPoolId}",
            call(Method::POST, "purgeCache", purge).merge(queried(
                Method::GET,
                ("purgeRequests", &["since"]),
                list_for_pool,
            )),
        )
}

fn to_json(purge: &CachePurge) -> Value {
    let (provisioner_id, worker_type) = purge.worker_pool_id.split_once('/').unwrap_or_default();
    json!({
        "provisionerId": provisioner_id,
        "workerType": worker_type,
        "cacheName": purge.cache_name,
        "before": timestamp::format(&purge.before),
    })
}

async fn purge(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["cacheName"])?;
    let cache_name = fields.required("cacheName", "a string", |_| true);
    fields.check()?;
    let worker_pool_id = call.param("workerPoolId").to_owned();
    call.authorize_scope(format!("purge-cache:{worker_pool_id}:{cache_name}"))?;
    let before = clock::now();
    let purge = CachePurge {
        worker_pool_id,
        cache_name,
        before,
    };
    call.app
        .store
        .run(move |db| db.save_purge(&purge, before + TOLD))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("purge-cache:all-purge-requests".to_owned())?;
    let Page { limit, after } = Page::of(&call)?;
    let purges = call
        .app
        .store
        .run(move |db| {
            // No pool has a space in its name.
            let after = after.split_once(' ').unwrap_or_default();
            db.purges_after(after, limit, clock::now())
        })
        .await?;
    Ok(pages::answer("requests", limit, purges, |purge| {
        let key = format!("{} {}", purge.worker_pool_id, purge.cache_name);
        (key, to_json(&purge))
    }))
}

async fn list_for_pool(call: Arc<Call>) -> Answer {
    let worker_pool_id = call.param("workerPoolId").to_owned();
    // Two colons, as the real service has it.
    call.authorize_scope(format!("purge-cache:purge-requests::{worker_pool_id}"))?;
    let since = call.query("since").map_or(Ok(DateTime::UNIX_EPOCH), read_since)?;
    let purges = call
        .app
        .store
        .run(move |db| db.purges_of_pool(&worker_pool_id, since, clock::now()))
        .await?;
    let requests: Vec<Value> = purges.iter().map(to_json).collect();
    Ok(Json(json!({ "requests": requests })).into_response())
}

/// A time, or a day alone.
fn read_since(text: &str) -> Result<DateTime<Utc>, ApiError> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc2822(text))
        .map(|time| time.with_timezone(&Utc))
        .ok()
        .or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc()))
        .ok_or_else(|| {
            ApiError::new(
                Code::InvalidRequestArguments,
                format!("Query-string parameter: since=\"{text}\" is not valid, error: Invalid Date"),
            )
        })
}
