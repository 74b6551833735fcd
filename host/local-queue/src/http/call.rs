//! What is common to all calls of the API: the body is read, the caller is found out, parameters are checked, and an error
//! becomes a body.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{OriginalUri, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, header, request::Parts},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use hawk::PayloadHasher;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};

use super::{
    App,
    errors::{self, RequestInfo},
    headers::Found,
};
use crate::{
    auth::{AuthFailure, Caller, SignedRequest, scopes::Expression},
    error::{ApiError, Code},
    ids,
};

/// The largest body of any call.
const MAX_BODY: usize = 10 << 20;

/// What a handler returns.
pub(super) type Answer = Result<Response, ApiError>;

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    /// What all calls share.
    pub(super) app: Arc<App>,
    /// `http://host:port`, as the caller has found us.
    pub(super) base: String,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    payload: Value,
    content_type: Option<String>,
    caller: Result<Caller, AuthFailure>,
}

/// The name of a call, and the parameters of the query that it takes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    query: &'static [&'static str],
}

/// A call that takes no query.
pub(super) fn call<F, Fut>(method: MethodFilter, name: &'static str, handler: F) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(method, Entry { name, query: &[] }, handler)
}

/// A call that answers page by page.
pub(super) fn paged<F, Fut>(method: MethodFilter, name: &'static str, handler: F) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let query = &["continuationToken", "limit"];
    route(method, Entry { name, query }, handler)
}

fn route<F, Fut>(method: MethodFilter, entry: Entry, handler: F) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    on(
        method,
        move |State(app): State<Arc<App>>,
              params: Result<RawPathParams, RawPathParamsRejection>,
              request: Request| {
            let handler = handler.clone();
            async move {
                let params = params.map(|params| {
                    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                    params.iter().map(owned).collect::<Vec<_>>()
                });
                let mut info = RequestInfo {
                    method: entry.name,
                    params: params_object(params.as_deref().unwrap_or_default()),
                    payload: json!({}),
                };
                let result = match Call::begin(app, entry, params, request).await {
                    Ok(call) => {
                        let call = Arc::new(call);
                        let result = handler(Arc::clone(&call)).await;
                        if result.is_err() {
                            info.payload = call.payload.clone();
                        }
                        result
                    }
                    Err(error) => Err(error),
                };
                result.unwrap_or_else(|error| errors::respond(info, &error))
            }
        },
    )
}

impl Call {
    /// Reads and checks what does not depend on the call.
    async fn begin(
        app: Arc<App>,
        entry: Entry,
        params: Result<Vec<(String, String)>, RawPathParamsRejection>,
        request: Request,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read_body(body).await?;
        let payload = if body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&body).map_err(|error| {
                ApiError::new(Code::MalformedPayload, format!("Failed to parse JSON: {error}"))
            })?
        };
        let found = Found::by(&parts.headers, app.address);
        let caller = authenticate(&app, &parts, &body, &found);
        let params =
            params.map_err(|error| ApiError::new(Code::InvalidRequestArguments, error.to_string()))?;
        check_params(&params)?;
        let query = read_query(&parts, entry.query)?;
        Ok(Self {
            app,
            base: found.base,
            params,
            query,
            payload,
            content_type: text_header(&parts.headers, header::CONTENT_TYPE).map(str::to_owned),
            caller,
        })
    }

    /// A parameter of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        value_of(&self.params, name).unwrap_or_default()
    }

    /// The taskId of the path.
    pub(super) fn task_id(&self) -> &str {
        self.param("taskId")
    }

    /// The runId of the path. One that is greater than any can be stands for a run that is not there.
    pub(super) fn run_id(&self) -> u32 {
        self.param("runId").parse().unwrap_or(u32::MAX)
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        value_of(&self.query, name)
    }

    /// The body, of a call that takes one.
    pub(super) fn input(&self) -> Result<&Value, ApiError> {
        let media_type = self
            .content_type
            .as_deref()
            .and_then(|text| text.split(';').next());
        if media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json")) {
            return Ok(&self.payload);
        }
        Err(ApiError::new(
            Code::MalformedPayload,
            format!(
                "Payload must be JSON with content-type: application/json got content-type: {}",
                self.content_type.as_deref().unwrap_or("null")
            ),
        ))
    }

    /// Refuses callers that do not have the scopes.
    pub(super) fn authorize(&self, required: &Expression) -> Result<(), ApiError> {
        let caller = self
            .caller
            .as_ref()
            .map_err(|failure| ApiError::new(Code::AuthenticationFailed, failure.to_string()))?;
        let Some(unsatisfied) = required.unsatisfied_by(&caller.scopes) else {
            return Ok(());
        };
        let pretty = |value: &Value| format!("{value:#}");
        Err(ApiError::new(
            Code::InsufficientScopes,
            format!(
                "Client ID {} does not have sufficient scopes and is missing the following scopes:\n\n```\n{}\n```\n\n\
                 This request requires the client to satisfy the following scope expression:\n\n```\n{}\n```",
                caller.client_id.as_deref().unwrap_or("(anonymous)"),
                pretty(&unsatisfied.to_json()),
                pretty(&required.to_json())
            ),
        ))
    }

    /// The same for one scope.
    pub(super) fn authorize_scope(&self, scope: String) -> Result<(), ApiError> {
        self.authorize(&Expression::Scope(scope))
    }
}

fn value_of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn params_object(params: &[(String, String)]) -> Map<String, Value> {
    params
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect()
}

async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            Code::InputTooLarge,
            format!("Request body is larger than {} MB", MAX_BODY >> 20),
        )),
        Err(_) => Err(ApiError::new(
            Code::MalformedPayload,
            "The request body is incomplete",
        )),
    }
}

/// Who calls. That the answer is an error matters only to calls that require scopes.
fn authenticate(app: &App, parts: &Parts, body: &Bytes, found: &Found) -> Result<Caller, AuthFailure> {
    // The router takes what all paths have in common away; what was signed has it.
    let uri = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |original| &original.0);
    let path_and_query = uri
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let authorization = match parts.headers.get(header::AUTHORIZATION) {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| AuthFailure("Bad Request: Invalid header syntax".to_owned()))?,
        ),
        None => None,
    };
    let caller = app.clients.authenticate(&SignedRequest {
        method: parts.method.as_str(),
        path_and_query,
        host: &found.host,
        port: found.port,
        authorization,
    })?;
    let Some(signed) = &caller.payload_hash else {
        return Ok(caller);
    };
    let media_type = text_header(&parts.headers, header::CONTENT_TYPE)
        .and_then(|text| text.split(';').next())
        .map(|media_type| media_type.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let computed = PayloadHasher::hash(media_type, hawk::SHA256, body);
    if computed.is_ok_and(|computed| computed == *signed) {
        Ok(caller)
    } else {
        Err(AuthFailure(
            "Invalid payload hash: this happens when your request carries a signed hash of the payload and the hash \
             doesn't match the hash we've computed on the server-side."
                .to_owned(),
        ))
    }
}

fn check_params(params: &[(String, String)]) -> Result<(), ApiError> {
    let errors: Vec<String> = params
        .iter()
        .filter_map(|(name, value)| {
            let (fits, what) = match name.as_str() {
                "taskId" | "taskGroupId" => (ids::is_slugid(value), "a slugid"),
                "taskQueueId" => (ids::is_task_queue_id(value), "<provisionerId>/<workerType>"),
                "runId" => (ids::is_run_id(value), "a number"),
                "name" => (
                    ids::is_printable(value) && value.len() <= 1024,
                    "at most 1024 characters of printable ASCII",
                ),
                _ => (true, ""),
            };
            (!fits).then(|| format!("URL parameter '{name}' given as '{value}' must be {what}"))
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(
        Code::InvalidRequestArguments,
        format!("Invalid URL patterns:\n{}", errors.join("\n")),
    ))
}

fn read_query(parts: &Parts, known: &[&str]) -> Result<Vec<(String, String)>, ApiError> {
    let mut query: Vec<(String, String)> = Vec::new();
    let mut errors = Vec::new();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if name == "bewit" {
            continue;
        }
        if !known.contains(&name.as_ref()) {
            errors.push(format!("Query-string parameter: {name} is not supported!"));
        } else if value_of(&query, &name).is_some() {
            errors.push(format!("Query-string parameter: {name} must be a string!"));
        } else if name == "limit" && !ids::is_run_id(&value) {
            errors.push(format!(
                "Query-string parameter: {name}=\"{value}\" does not match expression: /^[0-9]+$/"
            ));
        } else {
            query.push((name.into_owned(), value.into_owned()));
        }
    }
    if errors.is_empty() {
        return Ok(query);
    }
    Err(ApiError::new(Code::InvalidRequestArguments, errors.join("\n")))
}

fn text_header(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
