//! The life of a task, whole: which stage follows which, and what is done on the way. Decides, and does nothing itself.
//!
//! ```text
//!            both ready       hook ok          started        ended, hook back     hook ok          hook ok
//!  Prepare ─────────────▶ Build ──────▶ Start ────────▶ Running ─────────────▶ Stopped ─────▶ Finished ─────▶ Report
//!     │                     │             │                │                      │              │              │
//!     └─────────────────────┴─────────────┴───────┬────────┴──────────────────────┴──────────────┘              │
//!                     an error of an operation, or an abort from outside                                        │
//!                                                 ▼                                                             │
//!                     Abort ──────▶ Report ──────▶ Exception ──────────────────────────────────▶ Dispose ◀──────┘
//!                   (what is in     (not for a     (the log is closed,                              │
//!                    flight ends)    canceled or    best effort)                                    ▼
//!                                    lost run)                                                     Done
//! ```
//!
//! - **Prepare**: the engine makes a builder while plugins hear `new-task`. Where the payload is invalid the engine is left
//!   out, plugins still hear of the task so that there is someone to publish the log.
//! - **Build**: plugins configure the builder. **Start**: the builder becomes a sandbox.
//! - **Running**: the sandbox runs while plugins are in `started`; goes on when it has ended *and* they have returned.
//! - **Stopped**: plugins see what the sandbox left behind, and may fail the task.
//! - **Finished**: the log is closed; plugins publish what they know.
//! - **Abort**: the run is resolved as an exception; the engine and the hook in flight are interrupted and waited for.
//! - **Report**: the queue is told, once. **Exception**: plugins are told. **Dispose**: everything held is released.
//!
//! The first resolution wins: once a run is in `Abort`, or its report is under way, nothing changes it. The driver
//! ([`super::run`]) performs the effects and answers each of them with the event named beside it.

use super::resolution::{AbortReason, Exception, Resolution};

/// Where a run is. Each stage holds what it still waits for, and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for the engine's builder and for `new-task`.
    Prepare {
        /// What is still under way.
        in_flight: InFlight,
    },
    /// Waits for `build-sandbox`.
    Build,
    /// Waits for the engine to start the sandbox.
    Start,
    /// Waits for the sandbox to end and for `started` to return.
    Running {
        /// What is still under way.
        in_flight: InFlight,
        /// The engine's own verdict, true until the sandbox has ended without success.
        success: bool,
    },
    /// Waits for `stopped`.
    Stopped {
        /// The engine's own verdict.
        success: bool,
    },
    /// Waits for `finished`.
    Finished {
        /// The verdict of engine and plugins.
        success: bool,
    },
    /// Resolved as an exception; waits for what was in flight.
    Abort {
        /// Why.
        exception: Exception,
        /// What is still under way; never empty.
        in_flight: InFlight,
    },
    /// Waits for the queue to acknowledge the report.
    Report {
        /// What is reported.
        resolution: Resolution,
    },
    /// Waits for `exception`.
    Exception {
        /// Why.
        exception: Exception,
    },
    /// Waits until everything is released.
    Dispose {
        /// How the run was resolved.
        resolution: Resolution,
    },
    /// Nothing is left of the run.
    Done {
        /// How the run was resolved.
        resolution: Resolution,
    },
}

/// The operations that a stage waits for: at most one of the engine's and one hook at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// `new_builder`, `start` or `wait`.
    pub(crate) engine: bool,
    /// Any hook.
    pub(crate) hook: bool,
}

impl InFlight {
    const BOTH: Self = Self {
        engine: true,
        hook: true,
    };
    const ENGINE: Self = Self {
        engine: true,
        hook: false,
    };
    const HOOK: Self = Self {
        engine: false,
        hook: true,
    };

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn without_engine(self) -> Self {
        Self {
            engine: false,
            ..self
        }
    }

    fn without_hook(self) -> Self {
        Self { hook: false, ..self }
    }
}

/// What the driver is to do. Those that take time are answered with one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Ask the engine for a builder. Answered by [`Event::Engine`].
    NewBuilder,
    /// Turn the builder into a sandbox. Answered by [`Event::Engine`].
    StartSandbox,
    /// Wait for the sandbox. Answered by [`Event::Ended`], or by [`Event::Engine`] with an error.
    WaitForSandbox,
    /// Call a hook in all plugins. Answered by [`Event::Hook`]; [`Event::HookFailed`] may come before it.
    Call(Hook),
    /// Write no more to the task log. Not answered.
    CloseLog,
    /// Interrupt the engine and the hook in flight; both still answer. Not answered itself.
    Interrupt(Exception),
    /// Tell the queue, until it knows or the claim is over. Answered by [`Event::Reported`].
    Report(Resolution),
    /// Release whatever is held. Answered by [`Event::Disposed`].
    Dispose,
}

/// A hook of `task-hooks` in `wit/plugin.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    NewTask,
    BuildSandbox,
    Started,
    Stopped,
    Finished { success: bool },
    Exception(Exception),
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The engine has made what it was asked for, or could not, or the sandbox broke while it ran.
    Engine(Result<Made, Exception>),
    /// The sandbox has ended, with the engine's own verdict.
    Ended {
        /// Whether it did what it was to do.
        success: bool,
    },
    /// All plugins have answered; the exception is the worst of theirs.
    Hook(Result<Verdict, Exception>),
    /// A plugin's hook has failed while others are still in theirs.
    HookFailed(Exception),
    /// From outside: a cancel, a lost claim, a shutdown.
    Abort(AbortReason),
    /// The report is over: acknowledged, refused, or given up with the claim.
    Reported,
    /// Everything is released.
    Disposed,
}

/// What an engine makes for a run, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The answer to [`Effect::NewBuilder`].
    Builder,
    /// The answer to [`Effect::StartSandbox`]: it runs.
    Sandbox,
}

/// What plugins say of the task, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No plugin objects.
    Success,
    /// At least one `stopped` answered false.
    Failure,
}

/// The first stage of a run, and what to do first. `payload` is the exception that an invalid payload stands for.
pub(crate) fn begin(payload: Result<(), Exception>) -> (Stage, Vec<Effect>) {
    match payload {
        Ok(()) => (
            Stage::Prepare {
                in_flight: InFlight::BOTH,
            },
            vec![Effect::NewBuilder, Effect::Call(Hook::NewTask)],
        ),
        // Not interrupted: plugins get the time of an ordinary hook to prepare for publishing the log.
        Err(exception) => (
            Stage::Abort {
                exception,
                in_flight: InFlight::HOOK,
            },
            vec![Effect::Call(Hook::NewTask)],
        ),
    }
}

/// What follows. An event that a stage does not wait for changes nothing, so no order of events can resolve a run twice.
pub(crate) fn step(stage: Stage, event: Event) -> (Stage, Vec<Effect>) {
    match stage {
        Stage::Prepare { in_flight } => prepare(in_flight, event),
        Stage::Build => match event {
            Event::Hook(Ok(_)) => (Stage::Start, vec![Effect::StartSandbox]),
            other => waiting(Stage::Build, InFlight::HOOK, other),
        },
        Stage::Start => match event {
            Event::Engine(Ok(Made::Sandbox)) => (
                Stage::Running {
                    in_flight: InFlight::BOTH,
                    success: true,
                },
                vec![Effect::WaitForSandbox, Effect::Call(Hook::Started)],
            ),
            other => waiting(Stage::Start, InFlight::ENGINE, other),
        },
        Stage::Running { in_flight, success } => running(in_flight, success, event),
        Stage::Stopped { success } => match event {
            Event::Hook(Ok(verdict)) => {
                let success = success && verdict == Verdict::Success;
                (
                    Stage::Finished { success },
                    vec![Effect::CloseLog, Effect::Call(Hook::Finished { success })],
                )
            }
            other => waiting(Stage::Stopped { success }, InFlight::HOOK, other),
        },
        Stage::Finished { success } => match event {
            Event::Hook(Ok(_)) => {
                let resolution = if success {
                    Resolution::Completed
                } else {
                    Resolution::Failed
                };
                (Stage::Report { resolution }, vec![Effect::Report(resolution)])
            }
            other => waiting(Stage::Finished { success }, InFlight::HOOK, other),
        },
        Stage::Abort { exception, in_flight } => aborting(exception, in_flight, event),
        Stage::Report { resolution } => match (event, resolution) {
            (Event::Reported, Resolution::Exception(exception)) => tell_plugins(exception),
            (Event::Reported, _) => (Stage::Dispose { resolution }, vec![Effect::Dispose]),
            _ => (Stage::Report { resolution }, Vec::new()),
        },
        Stage::Exception { exception } => match event {
            Event::Hook(_) => (
                Stage::Dispose {
                    resolution: Resolution::Exception(exception),
                },
                vec![Effect::Dispose],
            ),
            _ => (Stage::Exception { exception }, Vec::new()),
        },
        Stage::Dispose { resolution } => match event {
            Event::Disposed => (Stage::Done { resolution }, Vec::new()),
            _ => (Stage::Dispose { resolution }, Vec::new()),
        },
        Stage::Done { resolution } => (Stage::Done { resolution }, Vec::new()),
    }
}

fn prepare(in_flight: InFlight, event: Event) -> (Stage, Vec<Effect>) {
    let left = match event {
        Event::Engine(Ok(Made::Builder)) => in_flight.without_engine(),
        Event::Hook(Ok(_)) => in_flight.without_hook(),
        _ => return waiting(Stage::Prepare { in_flight }, in_flight, event),
    };
    if left.is_empty() {
        (Stage::Build, vec![Effect::Call(Hook::BuildSandbox)])
    } else {
        (Stage::Prepare { in_flight: left }, Vec::new())
    }
}

fn running(in_flight: InFlight, success: bool, event: Event) -> (Stage, Vec<Effect>) {
    let (left, success) = match event {
        Event::Ended { success } => (in_flight.without_engine(), success),
        Event::Hook(Ok(_)) => (in_flight.without_hook(), success),
        _ => return waiting(Stage::Running { in_flight, success }, in_flight, event),
    };
    if left.is_empty() {
        (Stage::Stopped { success }, vec![Effect::Call(Hook::Stopped)])
    } else {
        (
            Stage::Running {
                in_flight: left,
                success,
            },
            Vec::new(),
        )
    }
}

/// The edges that every stage before the report has: errors and aborts resolve the run, anything else changes nothing.
fn waiting(stage: Stage, in_flight: InFlight, event: Event) -> (Stage, Vec<Effect>) {
    match event {
        Event::Engine(Err(exception)) => abort(exception, in_flight.without_engine()),
        Event::Hook(Err(exception)) => abort(exception, in_flight.without_hook()),
        Event::HookFailed(exception) if in_flight.hook => abort(exception, in_flight),
        Event::Abort(reason) => abort(reason.into(), in_flight),
        Event::Engine(Ok(_))
        | Event::Ended { .. }
        | Event::Hook(Ok(_))
        | Event::HookFailed(_)
        | Event::Reported
        | Event::Disposed => (stage, Vec::new()),
    }
}

fn abort(exception: Exception, in_flight: InFlight) -> (Stage, Vec<Effect>) {
    if in_flight.is_empty() {
        resolve(exception)
    } else {
        (
            Stage::Abort { exception, in_flight },
            vec![Effect::Interrupt(exception)],
        )
    }
}

fn aborting(exception: Exception, in_flight: InFlight, event: Event) -> (Stage, Vec<Effect>) {
    let left = match event {
        // It has started in spite of the interruption, and would run on: to wait for it now is to abort it.
        Event::Engine(Ok(Made::Sandbox)) if in_flight.engine => {
            return (
                Stage::Abort { exception, in_flight },
                vec![Effect::WaitForSandbox],
            );
        }
        Event::Engine(_) | Event::Ended { .. } => in_flight.without_engine(),
        Event::Hook(_) => in_flight.without_hook(),
        // The resolution stands, but what came from outside does not wait for a hook that was not interrupted yet.
        Event::Abort(_) => {
            return (
                Stage::Abort { exception, in_flight },
                vec![Effect::Interrupt(exception)],
            );
        }
        Event::HookFailed(_) | Event::Reported | Event::Disposed => in_flight,
    };
    if left.is_empty() {
        resolve(exception)
    } else {
        (
            Stage::Abort {
                exception,
                in_flight: left,
            },
            Vec::new(),
        )
    }
}

fn resolve(exception: Exception) -> (Stage, Vec<Effect>) {
    if exception.is_reported() {
        let resolution = Resolution::Exception(exception);
        (Stage::Report { resolution }, vec![Effect::Report(resolution)])
    } else {
        tell_plugins(exception)
    }
}

fn tell_plugins(exception: Exception) -> (Stage, Vec<Effect>) {
    (
        Stage::Exception { exception },
        vec![Effect::CloseLog, Effect::Call(Hook::Exception(exception))],
    )
}

impl Stage {
    /// The word for it in logs, metrics and summaries.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Build => "build",
            Self::Start => "start",
            Self::Running { .. } => "running",
            Self::Stopped { .. } => "stopped",
            Self::Finished { .. } => "finished",
            Self::Abort { .. } => "abort",
            Self::Report { .. } => "report",
            Self::Exception { .. } => "exception",
            Self::Dispose { .. } => "dispose",
            Self::Done { .. } => "done",
        }
    }
}

#[cfg(test)]
mod tests;
