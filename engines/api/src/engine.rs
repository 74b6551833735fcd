//! The engine itself, and what it is told of a run.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{DisposeError, EngineError, LogSink, RunKey, SandboxBuilder};

/// What a run is, to an engine.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The run's name.
    pub key: RunKey,
    /// The task's log.
    pub log: Arc<dyn LogSink>,
}

/// Makes sandboxes, many at a time.
///
/// There is one for each worker process. Its constructor (not part of the trait) removes what a killed predecessor left
/// in the same place: processes, cgroups, folders.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// The name that the config calls it by.
    fn name(&self) -> &'static str;

    /// The properties of `task.payload` that this engine reads: a JSON schema with `type: object`, `properties` and
    /// `required`. Always the same for one engine.
    fn payload_schema(&self) -> Value;

    /// Begins a run. `payload` holds the engine's own properties and is valid by [`payload_schema`](Self::payload_schema).
    /// Plugins' `new-task` hooks run at the same time.
    ///
    /// # Errors
    /// Any kind but `Cancelled`, and that one when `cancel` fires. Whatever was acquired has been released.
    async fn new_builder(
        &self,
        run: RunContext,
        payload: Value,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SandboxBuilder>, EngineError>;

    /// Called once, when every builder, sandbox and result set is gone and the worker ends.
    ///
    /// # Errors
    /// When something of the engine's own stays behind.
    async fn dispose(&self) -> Result<(), DisposeError> {
        Ok(())
    }
}
