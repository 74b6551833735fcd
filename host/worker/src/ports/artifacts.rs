//! Artifacts of a run, in the queue and in the storage that it names. Bytes are streamed; what is compressed goes through
//! a file, since the storage must be told the length before.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::{LogLevel, RunKey};
use plugin_host::ports::{ArtifactError, ArtifactStore, Encoding, TaskLog, Upload, Uploaded};
use queue::{
    CallError, Objects, Queue,
    wire::{ArtifactErrorReason, CreateArtifactRequest, CreateArtifactResponse},
};
use tokio_util::sync::CancellationToken;

use crate::{config::StorageType, task::lease::Lease};

mod ahead;
mod body;
mod buffers;
mod digest;
mod object;
mod patience;
mod put;
mod s3;
mod slots;

use patience::{Patience, Tries, failed_call};
pub(crate) use slots::UploadSlots;

/// The longest message that the queue takes, in characters.
const MAX_MESSAGE: usize = 4096;
/// What a task is told once whose files are not compressed though it, or a rule, would have it so.
const NOT_COMPRESSED: &str = "This worker's artifacts are kept by the object service, which keeps bytes as they are: none is compressed.";

/// How and where the artifacts of all runs of a worker are stored.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactStorage {
    /// What the queue is asked for.
    pub(crate) storage_type: StorageType,
    /// The object service. Each upload signs with credentials of its own.
    pub(crate) objects: Objects,
    /// Puts bytes to the addresses that the services name.
    pub(crate) http: reqwest::Client,
    /// A folder for what is compressed before it is uploaded, which nobody else may read.
    pub(crate) scratch: PathBuf,
    /// How much is uploaded at a time.
    pub(crate) slots: UploadSlots,
    /// How long the storage may take or give no byte.
    pub(crate) stall: Duration,
}

/// The artifacts of one run. Its calls may be dropped at any point: what they hold is let go of, and the queue then has
/// an artifact whose bytes are missing.
pub(crate) struct QueueArtifacts {
    key: RunKey,
    task_expires: DateTime<Utc>,
    /// Tries each call once.
    queue: Queue,
    storage: Arc<ArtifactStorage>,
    log: Arc<dyn TaskLog>,
    /// Fires when the run is resolved or about to be.
    resolved: CancellationToken,
    patience: Patience,
    /// Whether the task knows that nothing is compressed.
    told: AtomicBool,
}

impl QueueArtifacts {
    /// The artifacts of a run, created with its own credentials. What its author should know is said in `log`. Once
    /// `resolved` has fired, what is left to be stored is worth less patience.
    pub(crate) fn new(
        lease: &Lease,
        task_expires: DateTime<Utc>,
        storage: Arc<ArtifactStorage>,
        log: Arc<dyn TaskLog>,
        resolved: CancellationToken,
    ) -> Self {
        Self {
            key: lease.key().clone(),
            task_expires,
            queue: lease.queue().tried_once(Duration::MAX),
            storage,
            log,
            resolved,
            patience: Patience::default(),
            told: AtomicBool::new(false),
        }
    }

    fn tries<'a>(&'a self, name: &'a str) -> Tries<'a> {
        Tries::new(name, self.patience, &self.resolved)
    }

    async fn create_once(
        &self,
        name: &str,
        request: &CreateArtifactRequest,
    ) -> Result<CreateArtifactResponse, CallError> {
        self.queue
            .create_artifact(&self.key.task_id, self.key.run_id, name, request)
            .await
    }

    /// Creates an artifact, or what stands for it until its bytes are there.
    async fn create(
        &self,
        name: &str,
        request: &CreateArtifactRequest,
    ) -> Result<CreateArtifactResponse, ArtifactError> {
        let mut tries = self.tries(name);
        loop {
            match self.create_once(name, request).await {
                Ok(created) => return Ok(created),
                Err(error) => tries.next(failed_call(name, &error)).await?,
            }
        }
    }

    /// Creates an artifact that needs no bytes.
    async fn create_whole(&self, name: &str, request: CreateArtifactRequest) -> Result<(), ArtifactError> {
        self.create(name, &request).await.map(drop)
    }

    fn expires(&self, expires: Option<DateTime<Utc>>) -> DateTime<Utc> {
        expires.unwrap_or(self.task_expires)
    }
}

#[async_trait]
impl ArtifactStore for QueueArtifacts {
    async fn upload(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        let name = upload.name.clone();
        let _slot = self.storage.slots.take(upload.content.size()).await;
        let uploaded = match self.storage.storage_type {
            StorageType::S3 => self.upload_to_s3(upload).await,
            StorageType::Object => {
                if upload.encoding == Encoding::Gzip && !self.told.swap(true, Ordering::Relaxed) {
                    self.log.line(LogLevel::Info, NOT_COMPRESSED);
                }
                self.upload_object(upload).await
            }
        };
        if let Err(error) = &uploaded {
            tracing::info!(run = %self.key, name, %error, "an artifact was not uploaded");
        }
        uploaded
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

#[cfg(test)]
mod tests;
