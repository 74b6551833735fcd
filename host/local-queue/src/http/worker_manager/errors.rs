//! What goes wrong with the workers of a pool: reported by workers, listed for the pool's owners.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::timestamp;
use serde_json::{Value, json};

use crate::{
    auth::scopes::Expression,
    clock,
    http::{
        App,
        call::{Answer, Call, call, queried},
        pages::{self, Page},
    },
    ids,
    store::{Db, PoolError, PoolErrorsQuery},
    task::Fields,
};

/// The longest kind and title, in characters.
const MAX_TITLE: usize = 128;
/// The longest description.
const MAX_DESCRIPTION: usize = 10_240;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new().route(
        // One segment, its slash encoded, or two.
        "/worker-pool-errors/{*workerPoolId}",
        call(Method::POST, "reportWorkerError", report).merge(queried(
            Method::GET,
            (
                "listWorkerPoolErrors",
                &["continuationToken", "limit", "launchConfigId", "errorId"],
            ),
            list,
        )),
    )
}

fn to_json(error: &PoolError) -> Value {
    json!({
        "workerPoolId": error.worker_pool_id,
        "errorId": error.error_id,
        "reported": timestamp::format(&error.reported),
        "kind": error.kind,
        "title": error.title,
        "description": error.description,
        "extra": error.extra,
    })
}

async fn report(call: Arc<Call>) -> Answer {
    let pool = call.param("workerPoolId").to_owned();
    let mut fields = Fields::of_body(
        call.input()?,
        &["workerGroup", "workerId", "kind", "title", "description", "extra"],
    )?;
    let worker_group = fields.required("workerGroup", "an identifier", ids::is_identifier);
    let worker_id = fields.required("workerId", "an identifier", ids::is_identifier);
    let mut error = PoolError {
        seq: 0,
        error_id: slugid::v4(),
        worker_pool_id: pool.clone(),
        reported: clock::now(),
        kind: fields.required_text("kind", MAX_TITLE),
        title: fields.required_text("title", MAX_TITLE),
        description: fields.required_text("description", MAX_DESCRIPTION),
        extra: fields.required_object("extra"),
    };
    fields.check()?;
    call.authorize(&Expression::all([
        format!("assume:worker-pool:{pool}"),
        format!("assume:worker-id:{worker_group}/{worker_id}"),
    ]))?;
    error.extra.insert("workerGroup".to_owned(), json!(worker_group));
    error.extra.insert("workerId".to_owned(), json!(worker_id));
    let shown = to_json(&error);
    let work = move |db: &Db<'_>| {
        db.known_pool(&error.worker_pool_id)?;
        db.save_pool_error(&error)
    };
    call.app.store.run(work).await?;
    Ok(Json(shown).into_response())
}

/// The newest first.
async fn list(call: Arc<Call>) -> Answer {
    let worker_pool_id = call.param("workerPoolId").to_owned();
    call.authorize_scope(format!("worker-manager:list-worker-pool-errors:{worker_pool_id}"))?;
    let page = Page::of(&call)?;
    let show = |error: PoolError| (error.seq.to_string(), to_json(&error));
    if call.query("launchConfigId").is_some() {
        // No worker here was launched by a config.
        return Ok(pages::answer("workerPoolErrors", page.limit, Vec::new(), show));
    }
    let query = PoolErrorsQuery {
        worker_pool_id,
        error_id: call.query("errorId").map(str::to_owned),
        before: page.after_number()?,
        limit: page.limit,
    };
    let errors = call.app.store.run(move |db| db.pool_errors(&query)).await?;
    Ok(pages::answer("workerPoolErrors", page.limit, errors, show))
}
