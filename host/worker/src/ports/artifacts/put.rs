//! One PUT of an artifact's bytes. There is no limit on how long it takes, only on how long nothing moves.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use plugin_host::ports::Uploaded;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep_until};
use tokio_util::io::ReaderStream;

use super::body::{Body, CHUNK, changed};

/// Where bytes are put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Signed: it must not be in any message.
    pub(super) url: &'a str,
    /// As the queue wants it.
    pub(super) content_type: &'a str,
    /// How long nothing may move.
    pub(super) stall: Duration,
}

/// Why bytes were not stored.
#[derive(Debug)]
pub(super) enum PutError {
    /// They could not be read.
    Content(io::Error),
    /// The storage did not take them.
    Storage(String),
}

/// What is known of a PUT while it is under way.
#[derive(Debug)]
struct Course {
    moved: Instant,
    left: u64,
    hash: Sha256,
    broken: Option<io::Error>,
}

/// Puts a body, and answers what was uploaded.
pub(super) async fn put(
    http: &reqwest::Client,
    target: &Target<'_>,
    body: &Body,
) -> Result<Uploaded, PutError> {
    let reader = body.open().await.map_err(PutError::Content)?;
    let length = body.length();
    let course = Arc::new(Mutex::new(Course {
        moved: Instant::now(),
        left: length,
        hash: Sha256::new(),
        broken: None,
    }));
    let mut request = http
        .put(target.url)
        .header(CONTENT_TYPE, target.content_type)
        .header(CONTENT_LENGTH, length);
    if let Some(encoding) = body.content_encoding() {
        request = request.header(CONTENT_ENCODING, encoding);
    }
    let stream = observed(ReaderStream::with_capacity(reader, CHUNK), course.clone());
    let sent = tokio::select! {
        sent = request.body(reqwest::Body::wrap_stream(stream)).send() => sent,
        () = stalled(&course, target.stall) => {
            return Err(PutError::Storage(format!("nothing moved for {} s", target.stall.as_secs_f32())));
        }
    };
    let mut course = lock(&course);
    if let Some(error) = course.broken.take() {
        return Err(PutError::Content(error));
    }
    let answer = sent.map_err(|error| PutError::Storage(chain(&error.without_url())))?;
    if !answer.status().is_success() {
        return Err(PutError::Storage(format!(
            "the storage answers {}",
            answer.status()
        )));
    }
    if course.left > 0 {
        return Err(PutError::Storage(
            "the storage answers before it has all bytes".to_owned(),
        ));
    }
    Ok(body.uploaded(std::mem::take(&mut course.hash)))
}

/// The same bytes, hashed and counted, with an error where they are fewer or more than they should be.
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
                    course.hash.update(&chunk);
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

fn lock(course: &Mutex<Course>) -> std::sync::MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error with all that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
