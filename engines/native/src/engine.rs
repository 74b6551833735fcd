//! The engine.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use engine_api::{DisposeError, Engine, EngineError, EngineErrorKind, RunContext, RunKey, SandboxBuilder};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    NativeConfig, TaskProcessCommand, blocking,
    builder::NativeBuilder,
    environment::{self, Environment},
    holdings::Holdings,
    leftovers::{self, LeftoversError},
    linux::{cgroup::Cgroups, open_files, orphans},
    payload::{self, NativePayload},
};

/// Why the engine can't be made.
#[derive(Debug, thiserror::Error)]
pub enum NewEngineError {
    /// The directory for the tasks can't be made or used.
    #[error("can't use {} as the directory of tasks", path.display())]
    TasksDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Its path can't be in an environment variable of ours.
    #[error("can't use {} as the directory of tasks: its path is not UTF-8", path.display())]
    TasksDirectoryName {
        /// The directory.
        path: PathBuf,
    },
    /// A root of artifacts is relative, and would mean something else for each task.
    #[error("the root of artifacts {} is not an absolute path", path.display())]
    RelativeRoot {
        /// As the config has it.
        path: PathBuf,
    },
    /// A variable in the config can't be in an environment.
    #[error("the config's environment can't be set: {reason}")]
    Environment {
        /// Names the variable.
        reason: String,
    },
    /// What a killed predecessor left can't be removed.
    #[error(transparent)]
    Leftovers(#[from] LeftoversError),
    /// The kernel refuses what the engine stands on.
    #[error("can't become the process that adopts orphans, which needs Linux 3.4")]
    Adopt(#[source] io::Error),
}

/// Runs each task as a tree of processes on this machine.
///
/// A task runs as the worker's own user, in a directory of its own, with an environment of its own, and all of its processes
/// are gone when it is over. That is all that keeps tasks apart: they can read and change what that user can, the files of
/// the worker and of other tasks included. Run nothing in it that you would not run yourself.
#[derive(Debug)]
pub struct NativeEngine {
    shared: Arc<Shared>,
}

/// What the engine's builders use.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: NativeConfig,
    pub(crate) task_process: TaskProcessCommand,
    tasks_directory: PathBuf,
    cgroups: Option<Cgroups>,
    user: String,
    /// The soft limit of open files that tasks have.
    pub(crate) open_files: Option<u64>,
}

impl NativeEngine {
    /// An engine whose tasks run in directories below `tasks_directory`, which is made if it is missing, and which nobody
    /// else may use meanwhile: the caller holds a lock on it. `task_process` starts what supervises a task.
    ///
    /// Removes what a predecessor in the same directory left that was killed: processes, cgroups, directories of tasks. That
    /// may take some seconds and blocks.
    ///
    /// Raises the soft limit of open files of this process; tasks have the one from before.
    ///
    /// From then on orphaned descendants of this whole process become its children, and those of them that are in another
    /// session than this process and are not supervisors of the engine's may be killed at any time: nothing else in this
    /// process should start children in sessions of their own.
    ///
    /// # Errors
    /// See [`NewEngineError`].
    pub fn new(
        config: NativeConfig,
        tasks_directory: PathBuf,
        task_process: TaskProcessCommand,
    ) -> Result<Self, NewEngineError> {
        check(&config)?;
        let tasks_directory = prepare(&tasks_directory).map_err(|source| NewEngineError::TasksDirectory {
            path: tasks_directory,
            source,
        })?;
        if tasks_directory.to_str().is_none() {
            return Err(NewEngineError::TasksDirectoryName {
                path: tasks_directory,
            });
        }
        orphans::adopt().map_err(NewEngineError::Adopt)?;
        let cgroups = Cgroups::find(&tasks_directory);
        if cgroups.is_none() {
            tracing::info!(
                "there is no cgroup (version 2) below which this process may make its own: tasks are ended by their \
                 supervisors alone"
            );
        }
        leftovers::remove(&tasks_directory, &task_process, cgroups.as_ref())?;
        let user = environment::user();
        let open_files = open_files::raise();
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                task_process,
                tasks_directory,
                cgroups,
                user,
                open_files,
            }),
        })
    }
}

#[async_trait]
impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        "native"
    }

    fn payload_schema(&self) -> Value {
        payload::schema()
    }

    async fn new_builder(
        &self,
        run: RunContext,
        payload: Value,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SandboxBuilder>, EngineError> {
        if cancel.is_cancelled() {
            return Err(EngineError::cancelled());
        }
        let payload = NativePayload::read(payload)?;
        if !leftovers::is_run(&run.key.file_name()) {
            let message = format!("{} can't be the name of a directory", run.key);
            return Err(EngineError::new(EngineErrorKind::Internal, message));
        }
        let holdings = self.acquire(run.key).await?;
        let directory = holdings.directory().to_string_lossy();
        let environment = Environment::new(&directory, &self.shared.user, &self.shared.config.environment);
        Ok(Box::new(NativeBuilder {
            engine: Arc::clone(&self.shared),
            commands: payload.command,
            environment: Mutex::new(environment),
            holdings: Arc::new(holdings),
            log: run.log,
        }))
    }

    async fn dispose(&self) -> Result<(), DisposeError> {
        let shared = Arc::clone(&self.shared);
        let removed = blocking(move || shared.cgroups.as_ref().map_or(Ok(()), Cgroups::remove));
        removed
            .await
            .and_then(|removed| removed)
            .map_err(|error| DisposeError::Files(format!("the cgroup of the engine: {error}")))
    }
}

impl NativeEngine {
    async fn acquire(&self, run: RunKey) -> Result<Holdings, EngineError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || Holdings::acquire(&shared.tasks_directory, shared.cgroups.as_ref(), &run))
            .await
            .and_then(|acquired| acquired)
            .map_err(|error| {
                let message = "could not make the directory or the cgroup of the task";
                EngineError::new(EngineErrorKind::Internal, message).caused_by(error)
            })
    }
}

fn check(config: &NativeConfig) -> Result<(), NewEngineError> {
    if let Some(path) = config.extract_roots.iter().find(|path| !path.is_absolute()) {
        return Err(NewEngineError::RelativeRoot { path: path.clone() });
    }
    config.environment.iter().try_for_each(|(name, value)| {
        environment::check(name, value).map_err(|reason| NewEngineError::Environment { reason })
    })
}

/// Makes the directory, and answers its real path: what is in it is compared by path later.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    directory.canonicalize()
}
