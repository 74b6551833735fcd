//! The bodies of all errors.

use axum::{
    Json,
    extract::{OriginalUri, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use queue::wire::{ErrorBody, timestamp};
use serde_json::{Map, Value, json};

use crate::{
    clock,
    error::{ApiError, Code, Failure},
};

/// What was asked for, as error bodies repeat it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestInfo {
    /// The name of the call, such as `createTask`.
    pub(super) method: &'static str,
    /// The parameters of the path.
    pub(super) params: Map<String, Value>,
    /// The body.
    pub(super) payload: Value,
}

/// An error as an answer.
pub(super) fn respond(info: RequestInfo, error: &ApiError) -> Response {
    let time = timestamp::format(&clock::now());
    let status = error.code.status();
    let body = ErrorBody {
        code: error.code.name().to_owned(),
        message: format!(
            "{}\n\n---\n\n* method:     {}\n* errorCode:  {}\n* statusCode: {status}\n* time:       {time}",
            error.message,
            info.method,
            error.code.name()
        ),
        request_info: json!({
            "method": info.method,
            "params": info.params,
            "payload": info.payload,
            "time": time,
        }),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    if error.code == Code::AuthenticationFailed {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("hawk"));
    }
    response
}

/// The answer where nothing is: to calls of Taskcluster that are not here, to other methods of those that are, and to
/// everything else.
pub(super) async fn unknown_route(original: OriginalUri, request: Request) -> Response {
    let info = RequestInfo {
        method: "unknown",
        params: Map::new(),
        payload: json!({}),
    };
    let (method, path) = (request.method(), original.0.path());
    let what = if path.starts_with("/references/") {
        "API references"
    } else if path.starts_with("/schemas/") {
        "schemas"
    } else if path.starts_with("/api/") {
        "such call"
    } else {
        "such page"
    };
    let message = format!("The embedded services have no {what}: {method} {path}");
    respond(info, &ApiError::not_found(message))
}

impl From<Failure> for ApiError {
    /// The rules' own refusals are for the caller; our failures are for the log, with a number to find them by.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Database(_)
            | Failure::Record(_)
            | Failure::Commit(_)
            | Failure::File(_)
            | Failure::Closed => {
                let incident_id = slugid::v4();
                let cause = std::error::Error::source(&failure).map(ToString::to_string);
                tracing::error!(incident_id, error = %failure, cause, "a call failed");
                Self::new(
                    Code::InternalServerError,
                    format!("Internal Server Error, incidentId: {incident_id}"),
                )
            }
        }
    }
}
