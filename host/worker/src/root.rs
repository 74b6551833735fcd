//! What the command line needs of the composition root (`app`), which alone names engines and stores.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use plugin_host::{CompilerCommand, Progress};
use queue::{CredentialsHandle, WorkerManager, WorkerName, wire};
use serde_json::Value;

use crate::{config::Config, observe::RunObserver, stop::StopHandle};

/// Puts workers and queues together.
#[async_trait]
pub(crate) trait Root: fmt::Debug + Send + Sync {
    /// Works until it is told to stop, or until the config's task limit is reached. Everything is released and joined when
    /// it answers.
    ///
    /// # Errors
    /// When the worker can't start: nothing was claimed then.
    async fn work(&self, config: Config, options: WorkOptions, stop: StopHandle) -> anyhow::Result<()>;

    /// Starts the embedded queue, listening when it answers.
    ///
    /// # Errors
    /// When its directory or its address can't be used.
    async fn embedded_queue(&self, options: EmbeddedOptions) -> anyhow::Result<Box<dyn EmbeddedQueue>>;

    /// What the engine of a config reads of a task's payload.
    fn engine_schema(&self, config: &Config) -> Value;
}

/// An embedded queue that runs.
#[async_trait]
pub(crate) trait EmbeddedQueue: fmt::Debug + Send + Sync {
    /// Where it is, without a slash at the end.
    fn root_url(&self) -> String;

    /// Answers the requests under way and ends.
    async fn shutdown(self: Box<Self>);
}

/// What the command line says of a worker, beside its config.
#[derive(Clone, Debug)]
pub(crate) struct WorkOptions {
    /// For configs that name no plugin directory.
    pub(crate) plugin_directory: PathBuf,
    /// Starts this program as a compiler.
    pub(crate) compiler: CompilerCommand,
    /// Hears of compilations.
    pub(crate) progress: Arc<dyn Progress>,
    /// Hears of runs.
    pub(crate) observer: Arc<dyn RunObserver>,
    /// None: the queue is the one that the config embeds.
    pub(crate) access: Option<Access>,
}

/// Whom the worker asks for tasks, and what it signs with.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Of the deployment, without a slash at the end.
    pub(crate) root_url: String,
    /// The worker's own. Whoever has made this may swap them while the worker works.
    pub(crate) credentials: CredentialsHandle,
    /// Asked whether the worker is one too many; none where worker-manager does not know the worker.
    pub(crate) manager: Option<ManagedWorker>,
}

/// A worker that worker-manager knows.
#[derive(Clone, Debug)]
pub(crate) struct ManagedWorker {
    /// With the worker's own credentials.
    pub(crate) manager: WorkerManager,
    /// Of this worker.
    pub(crate) name: WorkerName,
}

/// What an embedded queue is made of.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedOptions {
    /// Where it keeps everything; exists.
    pub(crate) directory: PathBuf,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// How long a claim lasts before it must be renewed.
    pub(crate) claim_timeout: Duration,
    /// May do everything. Not temporary.
    pub(crate) client: wire::Credentials,
}
