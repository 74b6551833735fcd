//! Artifacts: made, listed, described. Their content is in `artifact_content`.

use std::sync::Arc;

use axum::{Json, Router, http::StatusCode, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::{CreateArtifactRequest, CreateArtifactResponse, ListArtifactsResponse, ObjectUpload};

use super::{
    artifact_content::{get, get_latest},
    objects,
};
use crate::{
    artifact::{Artifact, Details},
    clock,
    content::{Place, Purpose},
    error::{ApiError, Failure},
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    ids,
    store::Db,
    task::{self, Fields},
};

/// The longest content type and error message, in characters.
const MAX_CONTENT_TYPE: usize = 255;
const MAX_MESSAGE: usize = 4096;
/// The greatest length that JSON's readers agree on.
const MAX_LENGTH: u64 = (1 << 53) - 1;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/task/{taskId}/runs/{runId}/artifacts",
            paged(Method::GET, "listArtifacts", list),
        )
        .route(
            "/task/{taskId}/artifacts",
            paged(Method::GET, "listLatestArtifacts", list_latest),
        )
        .route(
            "/task/{taskId}/runs/{runId}/artifacts/{*name}",
            call(Method::POST, "createArtifact", create)
                .merge(call(Method::PUT, "finishArtifact", finish))
                .merge(call(Method::GET, "getArtifact", get)),
        )
        .route(
            "/task/{taskId}/artifacts/{*name}",
            call(Method::GET, "getLatestArtifact", get_latest),
        )
        .route(
            "/task/{taskId}/runs/{runId}/artifact-info/{*name}",
            call(Method::GET, "artifactInfo", info),
        )
        .route(
            "/task/{taskId}/artifact-info/{*name}",
            call(Method::GET, "latestArtifactInfo", latest_info),
        )
}

async fn create(call: Arc<Call>) -> Answer {
    let artifact = Artifact::from_request(call.param("name").to_owned(), read(&call)?);
    artifact.check_expires(clock::now())?;
    let in_store = Arc::clone(&call);
    let artifact = call
        .app
        .store
        .run(move |db| keep(db, &in_store, artifact))
        .await?;
    let (artifact, project_id) = artifact;
    let answer = match &artifact.details {
        Details::S3 => {
            let place = Place::Artifact {
                task_id: call.task_id().to_owned(),
                run_id: call.run_id(),
                name: artifact.name,
            };
            let (put_url, expires) = call.address(Purpose::Put, &place);
            CreateArtifactResponse::S3 {
                put_url,
                expires,
                content_type: artifact.content_type,
            }
        }
        Details::Object(object) => {
            let name = objects::name(&call, call.run_id(), &artifact.name);
            CreateArtifactResponse::Object(ObjectUpload {
                credentials: objects::upload_credentials(&call, &project_id, &name)?,
                name,
                upload_id: object.upload_id.clone(),
                project_id,
                expires: artifact.expires,
            })
        }
        Details::Reference { .. } => CreateArtifactResponse::Reference,
        Details::Link { .. } => CreateArtifactResponse::Link,
        Details::Error { .. } => CreateArtifactResponse::Error,
    };
    Ok(Json(answer).into_response())
}

/// What the schema says of the request.
fn read(call: &Call) -> Result<CreateArtifactRequest, ApiError> {
    let wrong = |error: String| task::schema_error(&[error]);
    let request: CreateArtifactRequest = call.input_as()?;
    let too_long = |text: &str, max: usize| text.chars().count() > max;
    let content_type = match &request {
        CreateArtifactRequest::S3 { content_type, .. }
        | CreateArtifactRequest::Object { content_type, .. }
        | CreateArtifactRequest::Reference { content_type, .. } => Some(content_type),
        CreateArtifactRequest::Link { content_type, .. } => content_type.as_ref(),
        CreateArtifactRequest::Error { .. } => None,
    };
    if content_type.is_some_and(|content_type| too_long(content_type, MAX_CONTENT_TYPE)) {
        return Err(wrong(format!(
            "data.contentType must NOT have more than {MAX_CONTENT_TYPE} characters"
        )));
    }
    match &request {
        CreateArtifactRequest::S3 {
            content_length: Some(length),
            ..
        }
        | CreateArtifactRequest::Object {
            content_length: Some(length),
            ..
        } if *length > MAX_LENGTH => Err(wrong("data.contentLength is too large".to_owned())),
        CreateArtifactRequest::Reference { url, .. } if url::Url::parse(url).is_err() => {
            Err(wrong("data.url must match format \"uri\"".to_owned()))
        }
        CreateArtifactRequest::Error { message, .. } if too_long(message, MAX_MESSAGE) => Err(wrong(
            format!("data.message must NOT have more than {MAX_MESSAGE} characters"),
        )),
        CreateArtifactRequest::S3 { .. }
        | CreateArtifactRequest::Object { .. }
        | CreateArtifactRequest::Reference { .. }
        | CreateArtifactRequest::Link { .. }
        | CreateArtifactRequest::Error { .. } => Ok(request),
    }
}

/// Keeps an artifact, if the rules allow it. Answers it, and the task's projectId.
fn keep(db: &Db<'_>, call: &Call, artifact: Artifact) -> Result<(Artifact, String), Failure> {
    let (task_id, run_id) = (call.task_id(), call.run_id());
    let task = db
        .task(task_id)?
        .ok_or_else(|| ApiError::input("Task not found"))?;
    let run = task.run(run_id).ok_or_else(|| ApiError::input("Run not found"))?;
    if run.worker_id.is_none() {
        return Err(Failure::Refused(ApiError::input(
            "Run was not claimed by a worker and so no artifacts can exist",
        )));
    }
    call.authorize_scope(format!("queue:create-artifact:{task_id}/{run_id}"))?;
    artifact.check(&task, run, clock::now())?;
    let artifact = match db.artifact(task_id, run_id, &artifact.name)? {
        Some(existing) => existing.replaced_by(artifact)?,
        None => artifact,
    };
    db.save_artifact(task_id, run_id, &artifact)?;
    Ok((artifact, task.definition.project_id))
}

/// finishArtifact: the bytes are with the object service. Asking again does no harm.
async fn finish(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["uploadId"])?;
    let upload_id = fields.required("uploadId", "a slugid", ids::is_slugid);
    fields.check()?;
    call.authorize_scope(format!(
        "queue:create-artifact:{}/{}",
        call.task_id(),
        call.run_id()
    ))?;
    let in_store = Arc::clone(&call);
    call.app
        .store
        .run(move |db| objects::finish(db, &in_store, &upload_id))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!(
        "queue:list-artifacts:{}:{}",
        call.task_id(),
        call.run_id()
    ))?;
    list_run(call, |db, call| {
        let (task_id, run_id) = (call.task_id(), call.run_id());
        if run_id > latest_run(db, task_id)? {
            return Err(Failure::Refused(ApiError::not_found(format!(
                "Task with taskId: `{task_id}` has no run with runId: {run_id}"
            ))));
        }
        Ok(run_id)
    })
    .await
}

async fn list_latest(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!("queue:list-artifacts:{}", call.task_id()))?;
    list_run(call, |db, call| latest_run(db, call.task_id())).await
}

async fn list_run(call: Arc<Call>, run: fn(&Db<'_>, &Call) -> Result<u32, Failure>) -> Answer {
    let page = Page::of(&call)?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let in_store = Arc::clone(&call);
    let mut artifacts = call
        .app
        .store
        .run(move |db| {
            let run_id = run(db, &in_store)?;
            db.artifacts_after(in_store.task_id(), run_id, &page.after, page.limit)
        })
        .await?;
    let more = artifacts.len() > limit;
    artifacts.truncate(limit);
    Ok(Json(ListArtifactsResponse {
        continuation_token: artifacts
            .last()
            .filter(|_| more)
            .map(|last| pages::token(&last.name)),
        artifacts: artifacts.iter().map(Artifact::listed).collect(),
    })
    .into_response())
}

async fn info(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!(
        "queue:list-artifacts:{}:{}",
        call.task_id(),
        call.run_id()
    ))?;
    describe(call, |_, call| Ok(call.run_id())).await
}

async fn latest_info(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!("queue:list-artifacts:{}", call.task_id()))?;
    describe(call, |db, call| latest_run(db, call.task_id())).await
}

async fn describe(call: Arc<Call>, run: fn(&Db<'_>, &Call) -> Result<u32, Failure>) -> Answer {
    let in_store = Arc::clone(&call);
    let artifact = call
        .app
        .store
        .run(move |db| {
            let run_id = run(db, &in_store)?;
            db.artifact(in_store.task_id(), run_id, in_store.param("name"))
        })
        .await?;
    let artifact = artifact
        .filter(Artifact::is_present)
        .ok_or_else(|| ApiError::not_found("Artifact not found"))?;
    Ok(Json(artifact.listed()).into_response())
}

/// The number of a task's last run.
pub(super) fn latest_run(db: &Db<'_>, task_id: &str) -> Result<u32, Failure> {
    let task = db
        .task(task_id)?
        .ok_or_else(|| ApiError::not_found("Task not found"))?;
    let last = task
        .runs
        .last()
        .ok_or_else(|| ApiError::not_found("Task doesn't have any runs"))?;
    Ok(last.run_id)
}
