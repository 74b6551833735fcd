//! The calls that every Taskcluster service has: is it there, and which version is it?

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use serde_json::json;

use super::{
    App,
    call::{Answer, Call, call},
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/ping", call(MethodFilter::GET, "ping", ping))
        .route(
            "/__lbheartbeat__",
            call(MethodFilter::GET, "lbheartbeat", heartbeat),
        )
        .route("/__heartbeat__", call(MethodFilter::GET, "heartbeat", heartbeat))
        .route("/__version__", call(MethodFilter::GET, "version", version))
}

async fn ping(call: Arc<Call>) -> Answer {
    let uptime = call.app.started.elapsed().as_secs_f64();
    Ok(Json(json!({ "alive": true, "uptime": uptime })).into_response())
}

async fn heartbeat(_call: Arc<Call>) -> Answer {
    Ok(Json(json!({})).into_response())
}

async fn version(_call: Arc<Call>) -> Answer {
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": "",
        "source": "",
        "build": "local-queue",
    }))
    .into_response())
}
