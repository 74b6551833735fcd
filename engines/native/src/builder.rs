//! A task before it starts.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine_api::{
    DisposeError, EngineError, EngineErrorKind, LogSink, Sandbox, SandboxBuilder, SetVariableError,
};
use tokio_util::sync::CancellationToken;

use crate::{
    blocking,
    engine::Shared,
    environment::Environment,
    holdings::Holdings,
    protocol::Spec,
    result_set::{Extraction, release},
    sandbox::NativeSandbox,
    task_process::{Launch, TaskProcess},
};

#[derive(Debug)]
pub(crate) struct NativeBuilder {
    pub(crate) engine: Arc<Shared>,
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) environment: Mutex<Environment>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) log: Arc<dyn LogSink>,
}

#[async_trait]
impl SandboxBuilder for NativeBuilder {
    fn set_variable(&self, name: &str, value: &str) -> Result<(), SetVariableError> {
        self.environment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set(name, value)
    }

    async fn start(self: Box<Self>, cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError> {
        let Self {
            engine,
            commands,
            environment,
            holdings,
            log,
        } = *self;
        // What follows takes a few milliseconds. A token that fires meanwhile is seen by the wait.
        let started = if cancel.is_cancelled() {
            Err(EngineError::cancelled())
        } else {
            let environment = environment.into_inner().unwrap_or_else(PoisonError::into_inner);
            let spec = Spec {
                commands,
                environment: environment.into_variables(),
                cgroup: holdings.cgroup().map(ToOwned::to_owned),
                kill_grace: engine.config.kill_grace,
                open_files: engine.open_files,
            };
            let (shared, held) = (Arc::clone(&engine), Arc::clone(&holdings));
            blocking(move || {
                TaskProcess::start(Launch {
                    command: &shared.task_process,
                    holdings: held,
                    spec,
                    log,
                })
            })
            .await
            .and_then(|started| started)
            .map_err(|error| {
                let message = "could not start the task's supervisor";
                EngineError::new(EngineErrorKind::Internal, message).caused_by(error)
            })
        };
        match started {
            Ok(process) => {
                let extraction = Extraction {
                    roots: engine.config.extract_roots.clone(),
                    max_bytes: engine.config.max_extract_bytes,
                };
                Ok(Arc::new(NativeSandbox::new(process, holdings, extraction)))
            }
            Err(error) => {
                let Err(left) = release(&holdings).await else {
                    return Err(error);
                };
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a task could not be started"
                );
                Err(EngineError::new(error.kind(), error.to_string()).caused_by(left))
            }
        }
    }

    async fn discard(self: Box<Self>) -> Result<(), DisposeError> {
        release(&self.holdings).await
    }
}
