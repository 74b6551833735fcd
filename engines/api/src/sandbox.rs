//! A sandbox before it starts, and while it runs.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{DisposeError, EngineError, KillError, ResultSet, SetVariableError};

/// A sandbox that has not started. Plugins configure it, several at a time.
#[async_trait]
pub trait SandboxBuilder: fmt::Debug + Send + Sync {
    /// Sets an environment variable of the task's. Names of the engine's own base may be set over.
    ///
    /// # Errors
    /// `Invalid` for a name or value that no environment can hold, `Conflict` where an earlier call set the name.
    fn set_variable(&self, name: &str, value: &str) -> Result<(), SetVariableError>;

    /// Starts the sandbox. What the builder held belongs to the sandbox from then on.
    ///
    /// # Errors
    /// Any kind, and `Cancelled` when `cancel` fires. Whatever the builder held has been released.
    async fn start(self: Box<Self>, cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError>;

    /// Releases everything without starting.
    ///
    /// # Errors
    /// When something stays behind.
    async fn discard(self: Box<Self>) -> Result<(), DisposeError>;
}

/// How a sandbox ended.
#[derive(Clone, Debug)]
pub enum SandboxEnd {
    /// By itself or by [`Sandbox::kill`]. The result set holds what the sandbox held, and must be disposed of.
    Ended(Arc<dyn ResultSet>),
    /// By the cancellation of [`Sandbox::wait`]. Nothing is left to dispose of.
    Aborted,
}

/// A sandbox that runs.
#[async_trait]
pub trait Sandbox: fmt::Debug + Send + Sync {
    /// Waits until the sandbox has ended, every process of it is gone, and all that they wrote is in the log. Called
    /// exactly once for each sandbox, by the run that owns it, on every path.
    ///
    /// When `cancel` fires it aborts: every process is killed at once, without grace, everything is released, and the
    /// answer is [`SandboxEnd::Aborted`]. Where the sandbox ended at the same moment, either answer is right.
    ///
    /// # Errors
    /// `Internal` or `Fatal` when the sandbox broke. Whatever it held has been released, or the error says what stays.
    async fn wait(&self, cancel: &CancellationToken) -> Result<SandboxEnd, EngineError>;

    /// Begins to end every process in the sandbox: asks (TERM), and after the engine's `killGrace` kills. Returns once
    /// begun. `wait` then answers a result set without success. Does nothing where the sandbox has ended.
    ///
    /// # Errors
    /// When nothing could be told to end.
    fn kill(&self) -> Result<(), KillError>;
}
