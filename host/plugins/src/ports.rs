//! What the capabilities need of the worker. The worker implements these; the host knows nothing of a queue.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::{Content, LogLevel};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The run that an instance serves, as plugins see it (`task-info` in `plugin.wit`).
#[derive(Clone, Debug)]
pub struct TaskInfo {
    /// The task's slugid.
    pub task_id: String,
    /// Counts from 0.
    pub run_id: u32,
    /// The group that the task belongs to.
    pub task_group_id: String,
    /// When the task was defined.
    pub created: DateTime<Utc>,
    /// When the queue resolves it, if nobody did.
    pub deadline: DateTime<Utc>,
    /// When it and its artifacts may be forgotten.
    pub expires: DateTime<Utc>,
    /// What the task may do.
    pub scopes: Vec<String>,
}

/// The worker that plugins are loaded in (`worker-info` in `plugin.wit`).
#[derive(Clone, Debug)]
pub struct WorkerInfo {
    /// Of the Taskcluster deployment.
    pub root_url: String,
    /// `<provisionerId>/<workerType>`.
    pub task_queue_id: String,
    /// The worker's group.
    pub worker_group: String,
    /// Unique in the group.
    pub worker_id: String,
    /// Name of the engine.
    pub engine: String,
    /// What the operator says of the machine: `location`, `instanceType`, `region`, …
    pub metadata: Vec<(String, String)>,
}

/// Everything that one run lends to its plugins.
#[derive(Clone, Debug)]
pub struct RunPorts {
    /// The run.
    pub task: TaskInfo,
    /// The whole task definition, for the `task-definition` capability.
    pub definition: Arc<Value>,
    /// The task's log.
    pub log: Arc<dyn TaskLog>,
    /// The run's artifacts.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Fires when the run is aborted: host functions then answer `cancelled` at once.
    pub abort: CancellationToken,
}

/// The log of a run.
pub trait TaskLog: fmt::Debug + Send + Sync {
    /// Appends a line with the prefix of its level. Nothing happens once the log is closed.
    fn line(&self, level: LogLevel, text: &str);

    /// The whole log; none while it is still being written.
    fn content(&self) -> Option<Arc<dyn Content>>;

    /// An address from which the log can be followed; none where the worker serves no logs.
    fn live_url(&self) -> Option<String>;
}

/// How the bytes of an artifact are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Identity,
    /// Compressed on the way.
    Gzip,
}

/// An artifact to be uploaded. Its name is valid (printable ASCII, at most 1024 characters).
#[derive(Clone, Debug)]
pub struct Upload {
    /// Unique in the run.
    pub name: String,
    /// The bytes.
    pub content: Arc<dyn Content>,
    /// How they are stored.
    pub encoding: Encoding,
    /// A media type.
    pub content_type: String,
    /// When it may be forgotten; none: when the task expires.
    pub expires: Option<DateTime<Utc>>,
}

/// What was uploaded, before any encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// In bytes.
    pub size: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// The artifacts of one run, in the queue. Every call retries what may be retried before it answers, and bounds by itself how
/// long that takes; `upload` also waits until it is its turn. A call is polled on the worker's own runtime, and may be dropped
/// at any point: when the hook that began it is cancelled, and when its plugin broke. Then it lets go of what it holds, and
/// leaves no file behind.
#[async_trait]
pub trait ArtifactStore: fmt::Debug + Send + Sync {
    /// Stores bytes.
    async fn upload(&self, upload: Upload) -> Result<Uploaded, ArtifactError>;

    /// Stores an address.
    async fn reference(
        &self,
        name: &str,
        url: &str,
        content_type: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError>;

    /// Stores a link to another artifact of the run.
    async fn link(
        &self,
        name: &str,
        target: &str,
        content_type: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError>;

    /// Stores why there is no artifact. `reason` is one of the queue's four words.
    async fn report_error(
        &self,
        name: &str,
        reason: &str,
        message: &str,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError>;
}

/// Why an artifact could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// The queue does not take it as it is; in words for the task's author.
    #[error("{0}")]
    Invalid(String),
    /// The name is taken by another artifact.
    #[error("{0}")]
    Conflict(String),
    /// The queue or the storage can't be reached, after retries.
    #[error("{0}")]
    Unavailable(String),
    /// The run was aborted.
    #[error("the run was aborted")]
    Cancelled,
    /// Something else, such as a file that changed while it was read.
    #[error("{0}")]
    Other(String),
}

/// The worker's own life, for plugins that hold the `lifecycle` grant.
pub trait Lifecycle: fmt::Debug + Send + Sync {
    /// Claim nothing more, end when the running tasks have ended.
    fn stop_gracefully(&self, why: &str);
    /// Abort the running tasks with `worker-shutdown`, then end.
    fn stop_now(&self, why: &str);
    /// Whether either was asked for.
    fn stopping(&self) -> bool;
}

/// Knows what the engine reads of a task's payload, and whether what plugins read goes together with it.
pub trait PayloadSchemas: fmt::Debug + Send + Sync {
    /// Tries to put the schemas of the engine and of plugins, by their names, together.
    ///
    /// # Errors
    /// When two own one property with different schemas, or one is none that can be put together with others: a sentence that
    /// names them.
    fn go_together(&self, plugins: Vec<(String, Value)>) -> Result<(), String>;
}

/// Schemas that are not held against each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnySchemas;

impl PayloadSchemas for AnySchemas {
    fn go_together(&self, _plugins: Vec<(String, Value)>) -> Result<(), String> {
        Ok(())
    }
}
