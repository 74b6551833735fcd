//! The object service: bytes that are uploaded and downloaded by a method that both sides know.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse as _,
    routing::MethodFilter,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use queue::wire::{
    CreateUploadRequest, CreateUploadResponse, DataInline, FinishUploadRequest, Hashes, ObjectMetadata,
    PutUrl, PutUrlTarget, StartDownloadRequest, StartDownloadResponse, UploadMethod,
};
use serde_json::json;

use super::{
    App,
    call::{Answer, Call, call},
};
use crate::{
    content::{Hashing, MAX_PUT, Place, Purpose, ReceiveError},
    error::{ApiError, Code, Failure},
    ids, objects,
    store::{StoredBytes, StoredContent, StoredObject},
    task,
};

/// The longest content type, in characters.
const MAX_CONTENT_TYPE: usize = 255;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route("/upload/{*name}", call(Method::PUT, "createUpload", create))
        .route(
            "/finish-upload/{*name}",
            call(Method::POST, "finishUpload", finish),
        )
        .route(
            "/start-download/{*name}",
            call(Method::PUT, "startDownload", start_download),
        )
        .route("/metadata/{*name}", call(Method::GET, "object", metadata))
        .route("/download/{*name}", call(Method::GET, "download", download))
}

async fn create(call: Arc<Call>) -> Answer {
    let request: CreateUploadRequest = call.input_as()?;
    check(&request)?;
    authorize_upload(&call, &request.project_id)?;
    let proposed = &request.proposed_upload_methods;
    let inline = proposed.data_inline.as_ref().map(decode).transpose()?;
    let name = call.param("name").to_owned();
    let in_store = (name.clone(), request.clone());
    call.app
        .store
        .run(move |db| objects::create(db, &in_store.0, &in_store.1))
        .await?;
    let upload_method = match (inline, &proposed.put_url) {
        (Some(bytes), _) => {
            take_in(&call, name, bytes).await?;
            UploadMethod {
                data_inline: Some(true),
                put_url: None,
            }
        }
        (None, Some(put)) => UploadMethod {
            data_inline: None,
            put_url: Some(put_target(&call, name, put)),
        },
        (None, None) => UploadMethod::default(),
    };
    Ok(Json(CreateUploadResponse {
        project_id: request.project_id,
        upload_id: request.upload_id,
        expires: request.expires,
        upload_method,
    })
    .into_response())
}

fn check(request: &CreateUploadRequest) -> Result<(), ApiError> {
    let mut errors = check_ids(&request.project_id, &request.upload_id, &request.hashes);
    let proposed = &request.proposed_upload_methods;
    let types = [
        proposed.data_inline.as_ref().map(|inline| &inline.content_type),
        proposed.put_url.as_ref().map(|put| &put.content_type),
    ];
    for content_type in types.into_iter().flatten() {
        if content_type.chars().count() > MAX_CONTENT_TYPE || HeaderValue::from_str(content_type).is_err() {
            errors.push(format!(
                "data.proposedUploadMethods contentType must be a media type of at most {MAX_CONTENT_TYPE} characters"
            ));
        }
    }
    if proposed
        .put_url
        .as_ref()
        .is_some_and(|put| put.content_length > MAX_PUT)
    {
        errors.push(format!(
            "data.proposedUploadMethods.putUrl.contentLength must be at most {MAX_PUT}"
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(task::schema_error(&errors))
}

fn check_ids(project_id: &str, upload_id: &str, hashes: &Hashes) -> Vec<String> {
    let mut errors = Vec::new();
    if !ids::is_project_id(project_id) {
        errors.push("data.projectId must be a projectId".to_owned());
    }
    if !ids::is_slugid(upload_id) {
        errors.push("data.uploadId must be a slugid".to_owned());
    }
    for (algorithm, hash) in hashes {
        let length = match algorithm.as_str() {
            "sha256" => 64,
            "sha512" => 128,
            _ => {
                errors.push(format!(
                    "data.hashes must NOT have additional properties: {algorithm:?}"
                ));
                continue;
            }
        };
        let fits = hash.len() == length && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !fits {
            errors.push(format!(
                "data.hashes.{algorithm} must be {length} lower-case hexadecimal digits"
            ));
        }
    }
    errors
}

fn authorize_upload(call: &Call, project_id: &str) -> Result<(), ApiError> {
    call.authorize_scope(format!("object:upload:{project_id}:{}", call.param("name")))
}

fn decode(inline: &DataInline) -> Result<Vec<u8>, ApiError> {
    STANDARD
        .decode(&inline.object_data)
        .map_err(|_| ApiError::input("proposedUploadMethods.dataInline.objectData is no valid base64"))
}

/// Stores bytes that came with a call.
async fn take_in(call: &Call, name: String, bytes: Vec<u8>) -> Result<(), ApiError> {
    let mut hashing = Hashing::default();
    hashing.update(&bytes);
    let length = bytes.len() as u64;
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(bytes))]);
    let file = call.app.content.receive(body, length).await;
    let file = file.map_err(|error| match error {
        ReceiveError::Write(error) => Failure::from(error),
        // They are here already.
        other @ (ReceiveError::Incomplete | ReceiveError::Stalled) => {
            Failure::from(std::io::Error::other(other))
        }
    })?;
    let stored = StoredBytes {
        content: StoredContent {
            file: file.clone(),
            length,
            // It is what was agreed.
            content_type: None,
            content_encoding: None,
        },
        hashes: hashing.finish(),
    };
    let saved = call
        .app
        .store
        .run(move |db| objects::received(db, &name, stored))
        .await?;
    // The file that is not needed: the former one, or this where another call has finished the upload meanwhile.
    if let Some(left) = saved.unwrap_or(Some(file)) {
        call.app.content.remove(&left).await;
    }
    Ok(())
}

fn put_target(call: &Call, name: String, put: &PutUrl) -> PutUrlTarget {
    let (url, expires) = call.address(Purpose::Put, &Place::Object { name });
    PutUrlTarget {
        url,
        expires,
        headers: [
            ("content-type".to_owned(), put.content_type.clone()),
            ("content-length".to_owned(), put.content_length.to_string()),
        ]
        .into(),
    }
}

async fn finish(call: Arc<Call>) -> Answer {
    let request: FinishUploadRequest = call.input_as()?;
    let errors = check_ids(&request.project_id, &request.upload_id, &request.hashes);
    if !errors.is_empty() {
        return Err(task::schema_error(&errors));
    }
    authorize_upload(&call, &request.project_id)?;
    let name = call.param("name").to_owned();
    call.app
        .store
        .run(move |db| objects::finish(db, &name, &request))
        .await?;
    Ok(Json(json!({})).into_response())
}

/// A finished object that the caller may download.
async fn downloadable(call: &Call) -> Result<StoredObject, ApiError> {
    let name = call.param("name");
    call.authorize_scope(format!("object:download:{name}"))?;
    let in_store = name.to_owned();
    let found = call
        .app
        .store
        .run(move |db| objects::finished(db, &in_store))
        .await?;
    found.ok_or_else(|| ApiError::not_found(format!("Object \"{name}\" not found")))
}

fn address(call: &Call) -> (String, DateTime<Utc>) {
    let place = Place::Object {
        name: call.param("name").to_owned(),
    };
    call.address(Purpose::Get, &place)
}

async fn start_download(call: Arc<Call>) -> Answer {
    let request: StartDownloadRequest = call.input_as()?;
    let object = downloadable(&call).await?;
    let methods = request.accept_download_methods;
    let (url, expires) = address(&call);
    let answer = if methods.get_url == Some(true) {
        StartDownloadResponse::GetUrl {
            url,
            expires,
            hashes: object.promised,
        }
    } else if methods.simple == Some(true) {
        StartDownloadResponse::Simple { url }
    } else {
        return Err(ApiError::new(
            Code::NoMatchingMethod,
            "Object supports methods simple, getUrl",
        ));
    };
    Ok(Json(answer).into_response())
}

async fn metadata(call: Arc<Call>) -> Answer {
    let object = downloadable(&call).await?;
    Ok(Json(ObjectMetadata {
        project_id: object.project_id,
        expires: object.expires,
        hashes: object.promised,
    })
    .into_response())
}

async fn download(call: Arc<Call>) -> Answer {
    downloadable(&call).await?;
    let (url, _) = address(&call);
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response())
}
