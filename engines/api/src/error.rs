//! What can go wrong in an engine, by operation.

use std::error::Error;

/// Who is to blame for an [`EngineError`], which decides how the run is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// The task's author: `malformed-payload`. The message is written for them.
    MalformedPayload,
    /// Something outside the worker: `resource-unavailable`.
    ResourceUnavailable,
    /// The engine, for this run alone: `internal-error`, a non-fatal error of the worker.
    Internal,
    /// The engine, for every run: `internal-error`, and the worker stops.
    Fatal,
    /// Nobody: the token that was passed in has fired.
    Cancelled,
}

/// Why a builder could not be made, started, or its sandbox waited for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    kind: EngineErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EngineError {
    /// An error whose message says what was attempted and what is wrong.
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The answer to a token that fired.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(EngineErrorKind::Cancelled, "the run was aborted")
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Who is to blame.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }
}

/// Why a variable was not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetVariableError {
    /// No environment can hold it; says which and why, for the task's author.
    #[error("{0}")]
    Invalid(String),
    /// It was set before.
    #[error("the environment variable {0} is set already")]
    Conflict(String),
}

/// Why a sandbox could not be told to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not begin to end the sandbox: {0}")]
pub struct KillError(pub String);

/// What stays behind after a builder, a result set or an engine was to release everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisposeError {
    /// Files or mounts. They cost space, and the next start of the worker tries again.
    #[error("left behind: {0}")]
    Files(String),
    /// Processes that could not be ended: the run's capacity can't be given to another.
    #[error("processes could not be ended: {0}")]
    Processes(String),
}
