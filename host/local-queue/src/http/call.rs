//! What is common to all calls of the API: the body is read, the caller is found out, parameters are checked, and an error
//! becomes a body.

mod signed;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::request::Parts,
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use signed::Signed;

use super::{
    App,
    errors::{self, RequestInfo},
    headers::Found,
};
use crate::{
    auth::{Access, AuthFailure, Caller, scopes::Expression},
    clock,
    content::{Place, Purpose},
    error::{ApiError, Code},
    ids, task,
};

/// The largest body of any call.
const MAX_BODY: usize = 10 << 20;
/// How long a body may be on the way: who sends none of what was announced is not to hold a connection for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What a handler returns.
pub(super) type Answer = Result<Response, ApiError>;

/// A call under way.
pub(super) struct Call {
    /// What all calls share.
    pub(super) app: Arc<App>,
    /// `http://host:port`, as the caller has found us.
    pub(super) base: String,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    payload: Value,
    caller: Result<Caller, AuthFailure>,
    signed: Signed,
}

impl fmt::Debug for Call {
    /// Neither the body nor the headers: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("params", &self.params)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// The name of a call, and what is special about it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    /// The parameters of the query that it takes.
    query: &'static [&'static str],
    /// A property of the body that errors must not repeat.
    secret: Option<&'static str>,
}

impl Entry {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            query: &[],
            secret: None,
        }
    }
}

/// A call that takes no query.
pub(super) fn call<F, Fut>(method: MethodFilter, name: &'static str, handler: F) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(method, Entry::new(name), handler)
}

/// A call with a property of the body that errors must not repeat.
pub(super) fn secret<F, Fut>(
    method: MethodFilter,
    (name, secret): (&'static str, &'static str),
    handler: F,
) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let entry = Entry {
        secret: Some(secret),
        ..Entry::new(name)
    };
    route(method, entry, handler)
}

/// A call that answers page by page.
pub(super) fn paged<F, Fut>(method: MethodFilter, name: &'static str, handler: F) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    queried(method, (name, &["continuationToken", "limit"]), handler)
}

/// A call that takes parameters of the query.
pub(super) fn queried<F, Fut>(
    method: MethodFilter,
    (name, query): (&'static str, &'static [&'static str]),
    handler: F,
) -> MethodRouter<Arc<App>>
where
    F: Fn(Arc<Call>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let entry = Entry {
        query,
        ..Entry::new(name)
    };
    route(method, entry, handler)
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
                            if let Some(value) = entry.secret.and_then(|name| info.payload.get_mut(name)) {
                                *value = json!("(OMITTED)");
                            }
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
        let signed = Signed { parts, body, found };
        let caller = signed.authenticate(&app.clients.current());
        if let Ok(Caller {
            first_use: Some(client_id),
            ..
        }) = &caller
        {
            let client_id = client_id.clone();
            app.store
                .run(move |db| db.save_client_use(&client_id, clock::now()))
                .await?;
        }
        let params =
            params.map_err(|error| ApiError::new(Code::InvalidRequestArguments, error.to_string()))?;
        check_params(&params)?;
        let query = read_query(&signed.parts, entry.query)?;
        Ok(Self {
            app,
            base: signed.found.base.clone(),
            params,
            query,
            payload,
            caller,
            signed,
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
        let content_type = self.signed.content_type();
        let media_type = content_type.and_then(|text| text.split(';').next());
        if media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json")) {
            return Ok(&self.payload);
        }
        Err(ApiError::new(
            Code::MalformedPayload,
            format!(
                "Payload must be JSON with content-type: application/json got content-type: {}",
                content_type.unwrap_or("null")
            ),
        ))
    }

    /// The body, where its schema is a type.
    pub(super) fn input_as<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        T::deserialize(self.input()?).map_err(|error| task::schema_error(&[format!("data: {error}")]))
    }

    /// Who calls.
    pub(super) fn caller(&self) -> Result<&Caller, ApiError> {
        self.caller.as_ref().map_err(failed)
    }

    /// Who calls, if these are all the clients there are, and if they may.
    pub(super) fn caller_among(&self, access: &Access, required: &Expression) -> Result<Caller, ApiError> {
        let caller = self
            .signed
            .authenticate(access)
            .map_err(|failure| failed(&failure))?;
        authorize(&caller, required)?;
        Ok(caller)
    }

    /// An address of a place for whoever is told it, and until when it is good.
    pub(super) fn address(&self, purpose: Purpose, place: &Place) -> (String, DateTime<Utc>) {
        let expires = clock::now() + purpose.lifetime();
        (
            self.app.addresses.make(&self.base, purpose, place, expires),
            expires,
        )
    }

    /// Refuses callers that do not have the scopes.
    pub(super) fn authorize(&self, required: &Expression) -> Result<(), ApiError> {
        authorize(self.caller()?, required)
    }

    /// The same for one scope.
    pub(super) fn authorize_scope(&self, scope: String) -> Result<(), ApiError> {
        self.authorize(&Expression::Scope(scope))
    }
}

fn failed(failure: &AuthFailure) -> ApiError {
    ApiError::new(Code::AuthenticationFailed, failure.to_string())
}

fn authorize(caller: &Caller, required: &Expression) -> Result<(), ApiError> {
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
    let body = Limited::new(body, MAX_BODY).collect();
    let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        let what = format!("The request body did not arrive within {BODY_TIMEOUT:?}");
        return Err(ApiError::new(Code::MalformedPayload, what));
    };
    match body {
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

fn check_params(params: &[(String, String)]) -> Result<(), ApiError> {
    let errors: Vec<String> = params
        .iter()
        .filter_map(|(name, value)| {
            let (fits, what) = match name.as_str() {
                "taskId" | "taskGroupId" => (ids::is_slugid(value), "a slugid"),
                "taskQueueId" | "workerPoolId" => {
                    (ids::is_task_queue_id(value), "<provisionerId>/<workerType>")
                }
                "provisionerId" | "workerType" | "workerGroup" | "workerId" => {
                    (ids::is_identifier(value), "an identifier")
                }
                "clientId" => (ids::is_client_id(value), "a clientId"),
                "roleId" => (ids::is_role_id(value), "printable ASCII"),
                "namespace" => (ids::is_namespace(value), "words with dots between"),
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

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let begun = Bytes::from_static(b"{");
        let stalls = stream::iter([Ok::<_, std::io::Error>(begun)]).chain(stream::pending());
        let error = read_body(Body::from_stream(stalls)).await.unwrap_err();
        assert_eq!(error.message, "The request body did not arrive within 60s");
    }
}
