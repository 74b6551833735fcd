//! How a call is made: signed, bounded in time, tried again, and its answer read.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

use super::Queue;
use crate::{
    CallError, CallErrorKind,
    clock::{Learned, Offset},
    retry::{self, Retry},
    sign,
    wire::ErrorBody,
};

/// One call, before it is tried.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Of the method.
    pub(super) name: &'static str,
    /// And query, below the API's.
    pub(super) path: String,
    pub(super) body: Option<&'a [u8]>,
    pub(super) retry: Retry,
    /// For one try.
    pub(super) timeout: Duration,
}

/// What an answer that is an error says beside its error.
#[derive(Clone, Copy, Debug)]
struct Hints {
    clock: Learned,
    retry_after: Option<Duration>,
}

impl Queue {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, CallError> {
        self.call(Call {
            method: Method::GET,
            name: "GET",
            path,
            body: None,
            retry: Retry::Allowed,
            timeout: self.options.call_timeout,
        })
        .await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CallError> {
        let body = body
            .map(|body| to_json(method.clone(), &path, body))
            .transpose()?;
        self.call(Call {
            name: name_of(&method),
            method,
            path,
            body: body.as_deref(),
            retry: Retry::Allowed,
            timeout: self.options.call_timeout,
        })
        .await
    }

    /// Tries a call as often as its rules allow.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let mut tries = 0;
        let mut clock_corrected = false;
        loop {
            tries += 1;
            let (error, hints) = match self.try_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => *failed,
            };
            // A request that was refused because our clock is off has had no effect, so even claimWork is signed anew.
            if error.status() == Some(401) && hints.clock == Learned::Moved && !clock_corrected {
                clock_corrected = true;
                continue;
            }
            if call.retry == Retry::Never || tries > retry::RETRIES || error.is_final() {
                return Err(error);
            }
            let pause = self.pauses.before(tries, hints.retry_after);
            tracing::debug!(%error, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Box<(CallError, Hints)>> {
        let fail = |kind| CallError::new(call.name, &call.path, kind);
        let unheard = |error: CallError| Box::new((error, Hints::default()));
        let offset = self.clock.offset();
        let request = self.request(call, offset).map_err(unheard)?;
        let answer = request
            .send()
            .await
            .map_err(|error| unheard(network_error(&fail, error)))?;
        let text_header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let hints = Hints {
            clock: self.clock.learn(text_header("date"), offset),
            retry_after: text_header("retry-after")
                .and_then(|s| s.parse().ok())
                .map(Duration::from_secs),
        };
        let status = answer.status();
        tracing::trace!(path = call.path, %status, request_id = text_header("x-for-request-id"), "answer");
        let body = answer
            .bytes()
            .await
            .map_err(|error| Box::new((network_error(&fail, error), hints)))?;
        if status.is_success() {
            // Calls such as ping answer an object or nothing at all.
            let body: &[u8] = if body.is_empty() { b"null" } else { &body };
            return serde_json::from_slice(body)
                .map_err(|error| Box::new((fail(CallErrorKind::BadAnswer).caused_by(error), hints)));
        }
        Err(Box::new((fail(http_error(status, &body)), hints)))
    }

    /// The call as a request, signed with the credentials of now for the time that the queue's clock is thought to show.
    fn request(&self, call: &Call<'_>, offset: Offset) -> Result<reqwest::RequestBuilder, CallError> {
        let fail = || CallError::new(call.name, &call.path, CallErrorKind::Request);
        let url = self
            .base
            .join(&call.path)
            .map_err(|error| fail().caused_by(error))?;
        let authorization = sign::header(&self.credentials.get(), call.name, &url, offset.now().into())
            .map_err(|error| fail().caused_by(error))?;
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .timeout(call.timeout)
            .header(header::AUTHORIZATION, authorization)
            .header("x-taskcluster-trace-id", slugid::v4());
        if let Some(body) = call.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_vec());
        }
        Ok(request)
    }
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            clock: Learned::Nothing,
            retry_after: None,
        }
    }
}

fn network_error(fail: &impl Fn(CallErrorKind) -> CallError, error: reqwest::Error) -> CallError {
    let kind = if error.is_timeout() {
        CallErrorKind::TimedOut
    } else {
        CallErrorKind::Network
    };
    fail(kind).caused_by(error.without_url())
}

fn http_error(status: StatusCode, body: &[u8]) -> CallErrorKind {
    let parsed = serde_json::from_slice::<ErrorBody>(body);
    let (code, message) = parsed.map_or_else(
        |_| (String::new(), String::new()),
        |body| (body.code, body.message),
    );
    let message = message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(1000)
        .collect();
    CallErrorKind::Http {
        status: status.as_u16(),
        code,
        message,
    }
}

pub(super) fn to_json(method: Method, path: &str, body: &impl Serialize) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(body)
        .map_err(|error| CallError::new(name_of(&method), path, CallErrorKind::Request).caused_by(error))
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::POST => "POST",
        _ => "GET",
    }
}
