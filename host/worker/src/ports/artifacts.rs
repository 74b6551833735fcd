//! Artifacts of a run, in the queue and in the storage that it names. Bytes are streamed; what is compressed goes through
//! a file, since the storage must be told the length before.

use std::{fmt, path::PathBuf, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::RunKey;
use plugin_host::ports::{ArtifactError, ArtifactStore, Encoding, Upload, Uploaded};
use queue::{
    CallError, Queue,
    wire::{ArtifactErrorReason, CreateArtifactRequest, CreateArtifactResponse},
};
use rand::Rng as _;

mod body;
mod put;

use body::Body;
use put::{PutError, Target};

/// How often bytes are put to the storage, each time to a new address.
const TRIES: u32 = 5;
/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the storage may take or give no byte.
const STALL: Duration = Duration::from_secs(60);
/// The longest message that the queue takes, in characters.
const MAX_MESSAGE: usize = 4096;

/// The artifacts of one run. Its calls may be dropped at any point: what they hold is let go of, and the queue then has
/// an artifact whose bytes are missing.
pub(crate) struct QueueArtifacts {
    key: RunKey,
    task_expires: DateTime<Utc>,
    queue: Queue,
    http: reqwest::Client,
    scratch: PathBuf,
    pause: Duration,
    stall: Duration,
}

impl QueueArtifacts {
    /// The artifacts of a run. `queue` signs with the run's own credentials; compressed bytes go through files in the
    /// folder `scratch`, which nobody else may read.
    pub(crate) fn new(
        key: RunKey,
        task_expires: DateTime<Utc>,
        queue: Queue,
        http: reqwest::Client,
        scratch: PathBuf,
    ) -> Self {
        Self {
            key,
            task_expires,
            queue,
            http,
            scratch,
            pause: PAUSE,
            stall: STALL,
        }
    }

    async fn create(
        &self,
        name: &str,
        request: &CreateArtifactRequest,
    ) -> Result<CreateArtifactResponse, ArtifactError> {
        let created = self
            .queue
            .create_artifact(&self.key.task_id, self.key.run_id, name, request)
            .await;
        created.map_err(|error| {
            tracing::info!(run = %self.key, name, error = &error as &dyn std::error::Error, "an artifact could not be created");
            refusal(name, &error)
        })
    }

    /// Creates an artifact that needs no bytes.
    async fn create_whole(&self, name: &str, request: CreateArtifactRequest) -> Result<(), ArtifactError> {
        self.create(name, &request).await.map(drop)
    }

    fn expires(&self, expires: Option<DateTime<Utc>>) -> DateTime<Utc> {
        expires.unwrap_or(self.task_expires)
    }

    /// Asks for an address and puts the bytes there, once.
    async fn try_upload(
        &self,
        name: &str,
        request: &CreateArtifactRequest,
        body: &Body,
    ) -> Result<Uploaded, TryError> {
        match self.create(name, request).await.map_err(TryError::Final)? {
            CreateArtifactResponse::S3 {
                put_url,
                content_type,
                ..
            } => {
                let target = Target {
                    url: &put_url,
                    content_type: &content_type,
                    stall: self.stall,
                };
                put::put(&self.http, &target, body)
                    .await
                    .map_err(|error| match error {
                        PutError::Content(error) => TryError::Final(unreadable(name, &error)),
                        PutError::Storage(why) => TryError::Again(why),
                    })
            }
            CreateArtifactResponse::Object(_)
            | CreateArtifactResponse::Reference
            | CreateArtifactResponse::Link
            | CreateArtifactResponse::Error => {
                let why = format!("the queue answers with another kind of artifact for {name}");
                Err(TryError::Final(ArtifactError::Other(why)))
            }
        }
    }
}

#[async_trait]
impl ArtifactStore for QueueArtifacts {
    async fn upload(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        let Upload {
            name,
            content,
            encoding,
            content_type,
            expires,
        } = upload;
        let body = match encoding {
            Encoding::Identity => Body::identity(content),
            Encoding::Gzip => Body::gzip(&*content, &self.scratch)
                .await
                .map_err(|error| unreadable(&name, &error))?,
        };
        let expires = self.expires(expires);
        let request = CreateArtifactRequest::S3 {
            expires,
            content_type,
            content_length: Some(body.length()),
        };
        let mut pause = self.pause;
        for attempt in 1.. {
            match self.try_upload(&name, &request, &body).await {
                Ok(uploaded) => return Ok(uploaded),
                Err(TryError::Final(error)) => return Err(error),
                Err(TryError::Again(why)) if attempt == TRIES => {
                    return Err(ArtifactError::Unavailable(format!(
                        "artifact {name} could not be stored in {TRIES} tries: {why}"
                    )));
                }
                Err(TryError::Again(why)) => {
                    tracing::warn!(run = %self.key, name, attempt, why, "an artifact could not be stored, trying again");
                    let jittered = pause.mul_f64(rand::rng().random_range(0.75..1.25));
                    tokio::time::sleep(jittered).await;
                    pause *= 2;
                }
            }
        }
        // The loop has no end but those above.
        Err(ArtifactError::Cancelled)
    }

    async fn reference(
        &self,
        name: &str,
        url: &str,
        content_type: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        let expires = self.expires(expires);
        let (content_type, url) = (content_type.to_owned(), url.to_owned());
        self.create_whole(
            name,
            CreateArtifactRequest::Reference {
                expires,
                content_type,
                url,
            },
        )
        .await
    }

    async fn link(
        &self,
        name: &str,
        target: &str,
        content_type: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        let expires = self.expires(expires);
        let (content_type, artifact) = (Some(content_type.to_owned()), target.to_owned());
        self.create_whole(
            name,
            CreateArtifactRequest::Link {
                expires,
                content_type,
                artifact,
            },
        )
        .await
    }

    async fn report_error(
        &self,
        name: &str,
        reason: &str,
        message: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        let reason: ArtifactErrorReason = serde_json::from_value(reason.into()).map_err(|_| {
            ArtifactError::Invalid(format!("{reason:?} is no reason for an artifact that is missing"))
        })?;
        let message = message.chars().take(MAX_MESSAGE).collect();
        let expires = self.expires(expires);
        self.create_whole(
            name,
            CreateArtifactRequest::Error {
                expires,
                reason,
                message,
            },
        )
        .await
    }
}

impl fmt::Debug for QueueArtifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueArtifacts")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Why one try failed.
enum TryError {
    /// Another would fail the same way.
    Final(ArtifactError),
    /// The storage may be better at another time, or at another address.
    Again(String),
}

fn unreadable(name: &str, error: &std::io::Error) -> ArtifactError {
    ArtifactError::Other(format!(
        "what was to be artifact {name} could not be read: {error}"
    ))
}

/// What a refusal of the queue means for the artifact's author.
fn refusal(name: &str, error: &CallError) -> ArtifactError {
    let message = format!("artifact {name}: {}", error.kind);
    match error.status() {
        Some(409) => ArtifactError::Conflict(message),
        Some(400 | 413) => ArtifactError::Invalid(message),
        Some(401 | 403 | 404 | 410) => ArtifactError::Other(message),
        Some(_) | None => ArtifactError::Unavailable(message),
    }
}

#[cfg(test)]
mod tests;
