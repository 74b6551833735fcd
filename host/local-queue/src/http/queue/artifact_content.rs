//! Where the content of an artifact is: links are followed, and the caller may read every artifact on the way.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use queue::wire::ArtifactContent;
use serde_json::json;

use super::{artifacts::latest_run, objects};
use crate::{
    artifact::{Artifact, Details},
    auth::scopes::Expression,
    clock,
    content::{Place, Purpose},
    error::{ApiError, Code, Failure},
    http::{
        App,
        call::{Answer, Call, call},
    },
    store::Db,
};

const STORAGE_TYPE: HeaderName = HeaderName::from_static("x-taskcluster-artifact-storage-type");

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/task/{taskId}/runs/{runId}/artifact-content/{*name}",
            call(Method::GET, "artifact", content),
        )
        .route(
            "/task/{taskId}/artifact-content/{*name}",
            call(Method::GET, "latestArtifact", latest_content),
        )
}

/// getArtifact: sends the caller there.
pub(super) async fn get(call: Arc<Call>) -> Answer {
    let found = find(&call, |_, call| Ok(call.run_id())).await?;
    Ok(redirect(&call, found))
}

/// getLatestArtifact.
pub(super) async fn get_latest(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!("queue:get-artifact:{}", call.param("name")))?;
    let found = find(&call, |db, call| latest_run(db, call.task_id())).await?;
    Ok(redirect(&call, found))
}

async fn content(call: Arc<Call>) -> Answer {
    let found = find(&call, |_, call| Ok(call.run_id())).await?;
    Ok(Json(found).into_response())
}

async fn latest_content(call: Arc<Call>) -> Answer {
    let found = find(&call, |db, call| latest_run(db, call.task_id())).await?;
    Ok(Json(found).into_response())
}

/// Where the content of the artifact that is asked for is.
async fn find(
    call: &Arc<Call>,
    run: fn(&Db<'_>, &Call) -> Result<u32, Failure>,
) -> Result<ArtifactContent, ApiError> {
    let in_store = Arc::clone(call);
    let (run_id, artifact) = call
        .app
        .store
        .run(move |db| {
            let run_id = run(db, &in_store)?;
            Ok((run_id, follow(db, &in_store, run_id)?))
        })
        .await?;
    Ok(match artifact.details {
        Details::S3 => ArtifactContent::S3 {
            url: address(
                call,
                &Place::Artifact {
                    task_id: call.task_id().to_owned(),
                    run_id,
                    name: artifact.name,
                },
            ),
        },
        Details::Object(_) => {
            let name = objects::name(call, run_id, &artifact.name);
            ArtifactContent::Object {
                credentials: objects::download_credentials(call, &name)?,
                name,
            }
        }
        Details::Reference { url } => ArtifactContent::Reference { url },
        Details::Error { reason, message } => ArtifactContent::Error { reason, message },
        // They have been followed.
        Details::Link { .. } => return Err(ApiError::input("Artifact leads to a link cycle")),
    })
}

/// The artifact at the end of all links.
fn follow(db: &Db<'_>, call: &Call, run_id: u32) -> Result<Artifact, Failure> {
    let mut names = vec![call.param("name").to_owned()];
    loop {
        call.authorize(&Expression::all(
            names.iter().map(|name| format!("queue:get-artifact:{name}")),
        ))?;
        let name = names.last().map(String::as_str).unwrap_or_default();
        let artifact = db
            .artifact(call.task_id(), run_id, name)?
            .filter(Artifact::is_present)
            .ok_or_else(|| ApiError::not_found("Artifact not found"))?;
        if artifact.expires < clock::now() {
            return Err(Failure::Refused(ApiError::new(
                Code::ResourceExpired,
                "Artifact expired",
            )));
        }
        let Details::Link { artifact: target } = &artifact.details else {
            return Ok(artifact);
        };
        if names.contains(target) {
            return Err(Failure::Refused(ApiError::input(
                "Artifact leads to a link cycle",
            )));
        }
        names.push(target.clone());
    }
}

/// An address of bytes that are here, good for a while.
fn address(call: &Call, place: &Place) -> String {
    call.address(Purpose::Get, place).0
}

fn redirect(call: &Call, content: ArtifactContent) -> Response {
    let (storage_type, url) = match content {
        ArtifactContent::S3 { url } => ("s3", url),
        ArtifactContent::Reference { url } => ("reference", url),
        // Who may have the artifact may have the object.
        ArtifactContent::Object { name, .. } => ("object", address(call, &Place::Object { name })),
        ArtifactContent::Error { reason, message } => {
            let body = Json(json!({ "reason": reason, "message": message }));
            return (StatusCode::FAILED_DEPENDENCY, [(STORAGE_TYPE, "error")], body).into_response();
        }
    };
    let mut response = (
        StatusCode::SEE_OTHER,
        [(STORAGE_TYPE, storage_type)],
        Json(json!({ "storageType": storage_type, "url": url })),
    )
        .into_response();
    // A reference may have characters that a header has not: its parsed form has none of them.
    let location = if url.bytes().all(|byte| byte.is_ascii_graphic()) {
        HeaderValue::from_str(&url).ok()
    } else {
        let parsed = url::Url::parse(&url).ok();
        parsed.and_then(|url| HeaderValue::from_str(url.as_str()).ok())
    };
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
