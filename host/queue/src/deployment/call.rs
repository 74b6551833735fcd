//! How a call is made: signed, bounded in time, tried again, and its answer read.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

use super::Service;
use crate::{
    CallError, CallErrorKind,
    clock::{Learned, Offset},
    retry::{self, Retry},
    sign,
    wire::{Credentials, ErrorBody},
};

/// The most that is read of an answer, one that is an error among them: it may quote all that was sent.
const MAX_ANSWER: usize = 64 << 20;

/// One call, before it is tried.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Of the method.
    pub(crate) name: &'static str,
    /// And query, below the service's API.
    pub(crate) path: String,
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) retry: Retry,
    /// For one try.
    pub(crate) timeout: Duration,
}

/// What an answer that is an error says beside its error.
#[derive(Clone, Copy, Debug)]
struct Hints {
    clock: Learned,
    retry_after: Option<Duration>,
}

impl Service {
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, CallError> {
        self.call(Call {
            method: Method::GET,
            name: "GET",
            path,
            body: None,
            retry: self.deployment.retry,
            timeout: self.deployment.options.call_timeout,
        })
        .await
    }

    pub(crate) async fn send<T: DeserializeOwned>(
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
            retry: self.deployment.retry,
            timeout: self.deployment.options.call_timeout,
        })
        .await
    }

    /// Tries a call as often as its rules allow.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let mut tries = 0;
        let mut clock_corrected = false;
        loop {
            tries += 1;
            let signer = self.deployment.signer();
            let (error, hints) = match self.try_once(&call, signer.as_ref()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => *failed,
            };
            if error.status() == Some(401) {
                // What was refused for its signature has had no effect, so even claimWork is signed anew: where our clock was
                // off, or where the credentials were swapped while the request flew.
                let clock_moved = hints.clock == Learned::Moved && !clock_corrected;
                if clock_moved || self.deployment.signer() != signer {
                    clock_corrected |= clock_moved;
                    continue;
                }
            }
            if call.retry == Retry::Never || tries > retry::RETRIES || error.is_final() {
                return Err(error);
            }
            let pause = self.deployment.pauses.before(tries, hints.retry_after);
            tracing::debug!(%error, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        signer: Option<&Credentials>,
    ) -> Result<T, Box<(CallError, Hints)>> {
        let fail = |kind| CallError::new(call.name, &self.path(&call.path), kind);
        let unheard = |error: CallError| Box::new((error, Hints::default()));
        let offset = self.deployment.clock.offset();
        let request = self.request(call, signer, offset).map_err(unheard)?;
        let mut answer = request
            .send()
            .await
            .map_err(|error| unheard(network_error(&fail, error)))?;
        let text_header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let hints = Hints {
            clock: self.deployment.clock.learn(text_header("date"), offset),
            retry_after: text_header("retry-after")
                .and_then(|s| s.parse().ok())
                .map(Duration::from_secs),
        };
        let status = answer.status();
        tracing::trace!(service = self.name, path = call.path, %status, request_id = text_header("x-for-request-id"), "answer");
        let mut body = Vec::new();
        while let Some(piece) = answer
            .chunk()
            .await
            .map_err(|error| Box::new((network_error(&fail, error), hints)))?
        {
            if body.len() + piece.len() > MAX_ANSWER {
                let why = format!("it is longer than {} MiB", MAX_ANSWER >> 20);
                return Err(Box::new((fail(CallErrorKind::BadAnswer).caused_by(why), hints)));
            }
            body.extend_from_slice(&piece);
        }
        if status.is_success() {
            // Calls such as ping answer an object or nothing at all.
            let body: &[u8] = if body.is_empty() { b"null" } else { &body };
            return serde_json::from_slice(body)
                .map_err(|error| Box::new((fail(CallErrorKind::BadAnswer).caused_by(error), hints)));
        }
        Err(Box::new((fail(http_error(status, &body)), hints)))
    }

    /// The call as a request, signed for the time that the deployment's clock is thought to show.
    fn request(
        &self,
        call: &Call<'_>,
        signer: Option<&Credentials>,
        offset: Offset,
    ) -> Result<reqwest::RequestBuilder, CallError> {
        let path = self.path(&call.path);
        let fail = || CallError::new(call.name, &path, CallErrorKind::Request);
        let url = self
            .deployment
            .root
            .join(&path)
            .map_err(|error| fail().caused_by(error))?;
        let mut request = self
            .deployment
            .http
            .request(call.method.clone(), url.clone())
            .timeout(call.timeout)
            .header("x-taskcluster-trace-id", slugid::v4());
        if let Some(signer) = signer {
            let authorization = sign::header(signer, call.name, &url, offset.now().into())
                .map_err(|error| fail().caused_by(error))?;
            request = request.header(header::AUTHORIZATION, authorization);
        }
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
    let kind = if error.is_connect() {
        CallErrorKind::NotConnected
    } else if error.is_timeout() {
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

pub(crate) fn to_json(method: Method, path: &str, body: &impl Serialize) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(body)
        .map_err(|error| CallError::new(name_of(&method), path, CallErrorKind::Request).caused_by(error))
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}
