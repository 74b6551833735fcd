//! One PUT of an artifact's bytes. There is no limit on how long it takes, only on how long nothing moves.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use engine_api::chain;
use futures_util::{Stream, TryStreamExt as _};
use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH};
use plugin_host::ports::ArtifactError;
use tokio::time::{Instant, sleep_until};

use super::{
    ahead::ahead,
    body::{Body, changed},
    digest::{Digest, Digested},
    patience::Failure,
};

/// Where bytes are put.
#[derive(Clone)]
pub(super) struct Target<'a> {
    /// Signed: it must not be in any message.
    pub(super) url: &'a str,
    /// As they are wanted. The length is added where it is missing.
    pub(super) headers: HeaderMap,
    /// How long nothing may move.
    pub(super) stall: Duration,
}

/// Why bytes were not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    /// They could not be read.
    #[error("what was to be uploaded could not be read")]
    Content(#[source] io::Error),
    /// The storage has answered something else than success.
    #[error("the storage answers {0}")]
    Answer(StatusCode),
    /// The storage has answered before it had all bytes.
    #[error("the storage answers before it has all bytes")]
    Early,
    /// Nothing moved for so long.
    #[error("nothing moved for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// The address is none.
    #[error("the address of the storage can't be used")]
    Address(#[source] reqwest::Error),
    /// The connection could not be made or broke; in one line, with the reason and without the address.
    #[error("{0}")]
    Broken(String),
}

impl PutError {
    /// What it means for an artifact.
    pub(super) fn of_artifact(self, name: &str) -> Failure {
        let other = |why: String| Failure::Final(ArtifactError::Other(why));
        match self {
            Self::Content(error) => Failure::Final(unreadable(name, &error)),
            Self::Address(_) => other(format!("artifact {name}: {self}")),
            Self::Answer(StatusCode::PAYLOAD_TOO_LARGE) => {
                Failure::Final(ArtifactError::Invalid(format!("artifact {name}: {self}")))
            }
            Self::Answer(
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS,
            )
            | Self::Early
            | Self::Stalled(_)
            | Self::Broken(_) => Failure::Outage(self.to_string()),
            Self::Answer(status) if status.is_server_error() => Failure::Outage(self.to_string()),
            // S3 says 400 where a connection was idle and 403 where an address is too old.
            Self::Answer(_) => Failure::Refused(self.to_string()),
        }
    }
}

/// What is to become an artifact can't be read.
pub(super) fn unreadable(name: &str, error: &io::Error) -> ArtifactError {
    ArtifactError::Other(format!(
        "what was to be artifact {name} could not be read: {error}"
    ))
}

/// What is known of a PUT while it is under way.
#[derive(Debug)]
struct Course {
    moved: Instant,
    left: u64,
    broken: Option<io::Error>,
}

/// Puts a body, computes `digest` on the way, and answers what came out.
pub(super) async fn put(
    http: &reqwest::Client,
    target: Target<'_>,
    body: &Body,
    digest: Digest,
) -> Result<Digested, PutError> {
    let source = body.open().await.map_err(PutError::Content)?;
    let length = body.length();
    let course = Arc::new(Mutex::new(Course {
        moved: Instant::now(),
        left: length,
        broken: None,
    }));
    let digest = Arc::new(Mutex::new(digest));
    let Target {
        url,
        mut headers,
        stall,
    } = target;
    headers.entry(CONTENT_LENGTH).or_insert(length.into());
    let pieces = ahead(source, length, {
        let digest = digest.clone();
        move |piece| lock(&digest).update(piece)
    });
    let stream = observed(pieces, course.clone());
    let body = reqwest::Body::wrap_stream(stream);
    let sent = tokio::select! {
        sent = http.put(url).headers(headers).body(body).send() => sent,
        () = stalled(&course, stall) => return Err(PutError::Stalled(stall)),
    };
    let mut course = lock(&course);
    if let Some(error) = course.broken.take() {
        return Err(PutError::Content(error));
    }
    let answer = match sent.map_err(reqwest::Error::without_url) {
        Ok(answer) => answer,
        Err(error) if error.is_builder() => return Err(PutError::Address(error)),
        Err(error) => return Err(PutError::Broken(chain(&error))),
    };
    if !answer.status().is_success() {
        return Err(PutError::Answer(answer.status()));
    }
    if course.left > 0 {
        return Err(PutError::Early);
    }
    // All bytes were sent, so all were read.
    Ok(std::mem::take(&mut *lock(&digest)).finish())
}

/// The same bytes, counted as they are sent, with an error where they are fewer or more than they should be.
fn observed(
    stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    course: Arc<Mutex<Course>>,
) -> impl Stream<Item = Result<Bytes, Interrupted>> + Send + 'static {
    let at_end = course.clone();
    let end = futures_util::stream::once(async move {
        let mut course = lock(&at_end);
        if course.left > 0 {
            course.broken = Some(changed());
            return Err(Interrupted);
        }
        Ok(Bytes::new())
    });
    let chunks = stream.map_err(Some).and_then({
        let course = course.clone();
        move |chunk| {
            let mut course = lock(&course);
            course.moved = Instant::now();
            let left = course.left.checked_sub(chunk.len() as u64);
            let taken = match left {
                Some(left) => {
                    course.left = left;
                    Ok(chunk)
                }
                None => Err(Some(changed())),
            };
            std::future::ready(taken)
        }
    });
    let chunks = chunks.map_err(move |error| {
        lock(&course).broken = error;
        Interrupted
    });
    // An empty chunk at the end does no harm: it is not sent.
    futures_util::StreamExt::chain(chunks, end)
}

/// What the HTTP client is told when the content breaks; the reason is kept apart.
#[derive(Debug, thiserror::Error)]
#[error("the content could not be read")]
struct Interrupted;

/// Answers when nothing has moved for so long.
async fn stalled(course: &Mutex<Course>, stall: Duration) {
    loop {
        let until = lock(course).moved + stall;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
