//! How a run ends, in the queue's words. The one place where errors become reasons.

use std::fmt;

use engine_api::EngineErrorKind;
use plugin_host::{ExceptionReason, HookErrorKind};

/// How a run ends. It is moved into the report, so that it can be reported at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The sandbox succeeded and no plugin objected.
    Completed,
    /// The sandbox or a plugin says that the task failed.
    Failed,
    /// Anything else.
    Exception(Exception),
}

/// Why a run did not come to a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    /// The task's author is to blame.
    MalformedPayload,
    /// Something outside the worker is to blame.
    ResourceUnavailable,
    /// Chance: the queue makes another run.
    IntermittentTask,
    /// The worker, its engine or a plugin is to blame.
    InternalError,
    /// From outside.
    Aborted(AbortReason),
}

/// Why a run was aborted from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbortReason {
    /// The worker stops; the queue makes another run.
    WorkerShutdown,
    /// The queue has resolved the run: somebody canceled it.
    Canceled,
    /// The queue has resolved the run: its deadline has passed.
    DeadlineExceeded,
    /// The claim is over, or belongs to nobody any more.
    ClaimLost,
}

impl Exception {
    /// Whether the queue is told. Runs that the queue resolved itself are not reported.
    pub(crate) fn is_reported(self) -> bool {
        self.queue_reason().is_some()
    }

    /// The word of `reportException`; none for runs that the queue has resolved itself.
    pub(crate) fn queue_reason(self) -> Option<&'static str> {
        match self {
            Self::MalformedPayload => Some("malformed-payload"),
            Self::ResourceUnavailable => Some("resource-unavailable"),
            Self::IntermittentTask => Some("intermittent-task"),
            Self::InternalError => Some("internal-error"),
            Self::Aborted(AbortReason::WorkerShutdown) => Some("worker-shutdown"),
            Self::Aborted(AbortReason::Canceled | AbortReason::DeadlineExceeded | AbortReason::ClaimLost) => {
                None
            }
        }
    }

    /// The word that plugins are told.
    pub(crate) fn plugin_reason(self) -> ExceptionReason {
        match self {
            Self::MalformedPayload => ExceptionReason::MalformedPayload,
            Self::ResourceUnavailable => ExceptionReason::ResourceUnavailable,
            Self::IntermittentTask => ExceptionReason::IntermittentTask,
            Self::InternalError => ExceptionReason::InternalError,
            Self::Aborted(AbortReason::WorkerShutdown) => ExceptionReason::WorkerShutdown,
            Self::Aborted(AbortReason::Canceled) => ExceptionReason::Canceled,
            Self::Aborted(AbortReason::DeadlineExceeded) => ExceptionReason::DeadlineExceeded,
            Self::Aborted(AbortReason::ClaimLost) => ExceptionReason::ClaimLost,
        }
    }

    /// The word in logs and summaries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aborted(AbortReason::Canceled) => "canceled",
            Self::Aborted(AbortReason::DeadlineExceeded) => "deadline-exceeded",
            Self::Aborted(AbortReason::ClaimLost) => "claim-lost",
            reported => reported.queue_reason().unwrap_or("internal-error"),
        }
    }
}

impl From<AbortReason> for Exception {
    fn from(reason: AbortReason) -> Self {
        Self::Aborted(reason)
    }
}

impl From<HookErrorKind> for Exception {
    fn from(kind: HookErrorKind) -> Self {
        match kind {
            HookErrorKind::Fatal | HookErrorKind::Internal => Self::InternalError,
            HookErrorKind::ResourceUnavailable => Self::ResourceUnavailable,
            HookErrorKind::IntermittentTask => Self::IntermittentTask,
            HookErrorKind::MalformedPayload => Self::MalformedPayload,
        }
    }
}

impl From<EngineErrorKind> for Exception {
    fn from(kind: EngineErrorKind) -> Self {
        match kind {
            EngineErrorKind::MalformedPayload => Self::MalformedPayload,
            EngineErrorKind::ResourceUnavailable => Self::ResourceUnavailable,
            // A cancelled operation belongs to a run that is resolved already: this one is never used then.
            EngineErrorKind::Internal | EngineErrorKind::Fatal | EngineErrorKind::Cancelled => {
                Self::InternalError
            }
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Failed => f.write_str("failed"),
            Self::Exception(exception) => write!(f, "exception/{}", exception.name()),
        }
    }
}
