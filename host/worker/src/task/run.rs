//! Performs what [`stage`] decides: calls engine and plugins, reports, disposes.
//!
//! One loop owns a run. Everything that takes time is an operation in a set that the loop owns; an operation's end, a
//! lost claim, a stop of the worker and a plugin's early failure are events of the same loop, so each of them interrupts
//! whatever is going on. No operation is ever dropped before it is ready: it is told to hurry, and awaited.

mod operations;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use engine_api::{DisposeError, Engine, RunKey, Sandbox, SandboxEnd};
use futures_util::FutureExt as _;
use plugin_host::{Phase, PluginFailure, RunPlugins};
use serde_json::Value;
use services::TaskLog;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    held::{Held, left_behind},
    journal::{AfterResolution, Journal, Trouble},
    lease::{Lease, NotReported},
    resolution::{AbortReason, Exception, Resolution},
    stage::{self, Effect, Event, Made, Stage, Verdict},
};
use crate::{observe::RunObserver, stop::StopHandle};
use operations::{Done, Operation};

pub(crate) use operations::panic_message;

/// What a task's author is told of a panic.
const PANICKED: &str = "internal error of the worker; its own log says more";

/// What a run needs, all of it made before its first stage.
#[derive(Debug)]
pub(crate) struct RunParts {
    /// Its name.
    pub(crate) key: RunKey,
    /// Its right to run, ended by the run.
    pub(crate) lease: Arc<Lease>,
    /// Makes its sandbox.
    pub(crate) engine: Arc<dyn Engine>,
    /// Its plugins, not yet told of it.
    pub(crate) plugins: RunPlugins,
    /// Fires when the hook in flight is to hurry, and when the run is reported.
    pub(crate) abort_hooks: CancellationToken,
    /// Its log.
    pub(crate) log: Arc<TaskLog>,
    /// The payload as engine and plugins see it.
    pub(crate) payload: RunPayload,
    /// What the task's author is to be told at the beginning.
    pub(crate) warning: Option<String>,
    /// The first lines of its log name it.
    pub(crate) worker: Arc<plugin_host::ports::WorkerInfo>,
    /// Hears of each stage.
    pub(crate) observer: Arc<dyn RunObserver>,
    /// The worker's own life.
    pub(crate) stop: StopHandle,
}

/// The parts of a task's payload.
#[derive(Clone, Debug)]
pub(crate) struct RunPayload {
    /// The engine's part; or why the engine does not get to see the run.
    pub(crate) engine: Result<Value, Unfit>,
    /// By plugin; none for one whose own part is invalid.
    pub(crate) plugins: BTreeMap<String, Option<Value>>,
}

/// Why a run ends before an engine has seen it.
#[derive(Clone, Debug)]
pub(crate) struct Unfit {
    exception: Exception,
    /// A line each.
    problems: Vec<String>,
}

impl Unfit {
    /// Something in the payload is invalid: these are all the problems that it has.
    pub(crate) fn malformed(problems: Vec<String>) -> Self {
        Self {
            exception: Exception::MalformedPayload,
            problems,
        }
    }

    /// Something without which this worker is not to run the task. It is given back: the queue makes another run of it.
    pub(crate) fn not_here(problems: Vec<String>) -> Self {
        Self {
            exception: Exception::Aborted(AbortReason::WorkerShutdown),
            problems,
        }
    }

    /// Something that the run needs can't be had.
    pub(crate) fn unavailable(problem: String) -> Self {
        Self {
            exception: Exception::ResourceUnavailable,
            problems: vec![problem],
        }
    }
}

/// What is left of a run for the worker to know.
#[derive(Debug)]
pub(crate) struct RunOutcome {
    /// How it ended.
    pub(crate) resolution: Resolution,
    /// What concerns the worker.
    pub(crate) troubles: Vec<Trouble>,
    /// Whether the run's capacity can be given to another.
    pub(crate) capacity: Capacity,
}

/// What became of the place that a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// It is free.
    Free,
    /// Processes of the run could not be ended.
    Occupied,
}

/// Runs a task to its end. Never fails: whatever happens is a resolution.
///
/// # Cancel safety
/// Not to be dropped: it owns what must be disposed of. It ends soon after the lease is lost or the worker stops now.
pub(crate) async fn run(parts: RunParts) -> RunOutcome {
    let mut run = Run::new(parts);
    let resolution = match AssertUnwindSafe(run.live()).catch_unwind().await {
        Ok(resolution) => resolution,
        Err(panic) => AssertUnwindSafe(run.rescue(&panic_message(&*panic)))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                tracing::error!(run = %run.key, "a second panic while a run was being rescued");
                Resolution::Exception(Exception::InternalError)
            }),
    };
    run.close(resolution).await
}

/// A run while it lives.
struct Run {
    key: RunKey,
    lease: Arc<Lease>,
    engine: Arc<dyn Engine>,
    plugins: Arc<RunPlugins>,
    log: Arc<TaskLog>,
    payload: RunPayload,
    warning: Option<String>,
    worker: Arc<plugin_host::ports::WorkerInfo>,
    observer: Arc<dyn RunObserver>,
    stop: StopHandle,
    held: Held,
    journal: Journal,
    operations: JoinSet<Done>,
    cancel_engine: CancellationToken,
    abort_hooks: CancellationToken,
    sandbox: Option<Running>,
    failures: (mpsc::Sender<PluginFailure>, mpsc::Receiver<PluginFailure>),
    capacity: Capacity,
    resolved: AfterResolution,
    reported: bool,
}

/// A sandbox that runs.
#[derive(Clone)]
struct Running {
    sandbox: Arc<dyn Sandbox>,
    ended: CancellationToken,
}

impl Run {
    fn new(parts: RunParts) -> Self {
        let log: Arc<TaskLog> = parts.log;
        Self {
            journal: Journal::new(parts.key.clone(), log.clone()),
            key: parts.key,
            lease: parts.lease,
            engine: parts.engine,
            plugins: Arc::new(parts.plugins),
            log,
            payload: parts.payload,
            warning: parts.warning,
            worker: parts.worker,
            observer: parts.observer,
            stop: parts.stop,
            held: Held::Nothing,
            operations: JoinSet::new(),
            cancel_engine: CancellationToken::new(),
            abort_hooks: parts.abort_hooks,
            sandbox: None,
            failures: mpsc::channel(1),
            capacity: Capacity::Free,
            resolved: AfterResolution::No,
            reported: false,
        }
    }

    /// From the first stage to the last.
    async fn live(&mut self) -> Resolution {
        self.journal.begin(&self.worker, &self.plugins.identities());
        if let Some(warning) = &self.warning {
            self.journal.warn(warning);
        }
        let payload = match &self.payload.engine {
            Ok(_) => Ok(()),
            Err(unfit) => {
                for problem in &unfit.problems {
                    self.journal.error(problem);
                }
                Err(unfit.exception)
            }
        };
        let (mut stage, mut effects) = stage::begin(payload);
        let mut aborts = Aborts::default();
        loop {
            self.note(&stage);
            for effect in effects {
                self.perform(effect);
            }
            if let Stage::Done { resolution } = stage {
                return resolution;
            }
            let event = self.next_event(&mut aborts).await;
            (stage, effects) = stage::step(stage, event);
        }
    }

    /// The next thing that happens.
    async fn next_event(&mut self, aborts: &mut Aborts) -> Event {
        loop {
            let done = tokio::select! {
                // What has ended has ended: it is heard before anything that would interrupt it.
                biased;
                Some(done) = self.operations.join_next() => done,
                Some(failure) = self.failures.1.recv() => {
                    let kind = failure.kind;
                    self.journal.failure(&failure, self.resolved);
                    return Event::HookFailed(kind.into());
                }
                // From the report on it is news to nobody: the queue does not renew what is resolved.
                reason = self.lease.lost(), if !aborts.lost && !self.reported => {
                    aborts.lost = true;
                    return Event::Abort(reason);
                }
                () = self.stop.now_requested(), if !aborts.stopped => {
                    aborts.stopped = true;
                    return Event::Abort(AbortReason::WorkerShutdown);
                }
            };
            match done {
                Ok(done) => return self.absorb(done),
                // Operations catch their own panics and are never aborted.
                Err(error) => self
                    .journal
                    .trouble(format!("an operation of the run was lost: {error}")),
            }
        }
    }

    /// Takes in what an operation produced.
    fn absorb(&mut self, done: Done) -> Event {
        match done {
            Done::Builder(Ok(builder)) => {
                self.held = Held::Builder(Phase::new(builder));
                Event::Engine(Ok(Made::Builder))
            }
            Done::Started(Ok(sandbox)) => {
                self.held = Held::Sandbox(sandbox.clone());
                self.sandbox = Some(Running {
                    sandbox,
                    ended: CancellationToken::new(),
                });
                Event::Engine(Ok(Made::Sandbox))
            }
            Done::Ended(Ok(end)) => {
                self.sandbox_ended();
                let success = match end {
                    SandboxEnd::Ended(results) => {
                        let success = results.success();
                        self.held = Held::Results(results);
                        success
                    }
                    SandboxEnd::Aborted => false,
                };
                Event::Ended { success }
            }
            Done::Builder(Err(error)) | Done::Started(Err(error)) | Done::Ended(Err(error)) => {
                self.sandbox_ended();
                self.journal.engine(&error, self.resolved);
                if let Some(left) = left_behind(&error) {
                    self.stays(left);
                }
                Event::Engine(Err(error.kind().into()))
            }
            Done::Hook(answer) => {
                self.journal.hook(&answer, self.resolved);
                Event::Hook(match answer.worst() {
                    Some(kind) => Err(kind.into()),
                    None if answer.success => Ok(Verdict::Success),
                    None => Ok(Verdict::Failure),
                })
            }
            Done::Reported(reported) => {
                self.heard_of_report(reported);
                Event::Reported
            }
            Done::Disposed(result) => {
                if let Err(left) = result {
                    self.stays(&left);
                    self.journal.trouble(left.to_string());
                }
                Event::Disposed
            }
            Done::Panicked(operation, message) => {
                self.journal.trouble(format!(
                    "panic in an operation ({operation:?}) of the run: {message}"
                ));
                if self.resolved == AfterResolution::No {
                    self.journal.error(PANICKED);
                }
                match operation {
                    Operation::Engine => {
                        self.sandbox_ended();
                        Event::Engine(Err(Exception::InternalError))
                    }
                    Operation::Hook => Event::Hook(Err(Exception::InternalError)),
                    Operation::Report => Event::Reported,
                    Operation::Dispose => {
                        // Nobody knows what is left: it may be processes.
                        self.capacity = Capacity::Occupied;
                        Event::Disposed
                    }
                }
            }
        }
    }

    /// A report that the queue does not take is the worker's own trouble, and changes nothing for the run.
    fn heard_of_report(&mut self, reported: Result<(), NotReported>) {
        if let Err(error) = reported {
            self.journal.trouble(error.to_string());
        }
    }

    /// Something of the run could not be released: its place is taken as long as processes are in it.
    fn stays(&mut self, left: &DisposeError) {
        if let DisposeError::Processes(_) = left {
            self.capacity = Capacity::Occupied;
        }
    }

    /// Lets plugins that wait for the sandbox return.
    fn sandbox_ended(&mut self) {
        if let Some(running) = &self.sandbox {
            running.ended.cancel();
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::NewBuilder => self.new_builder(),
            Effect::StartSandbox => self.start_sandbox(),
            Effect::WaitForSandbox => self.wait_for_sandbox(),
            Effect::Call(hook) => self.call(hook),
            Effect::CloseLog => {
                self.journal.finish();
                self.log.close();
            }
            // Everything in flight has heard the first.
            Effect::Interrupt(_) if self.cancel_engine.is_cancelled() => {}
            Effect::Interrupt(exception) => {
                self.resolved = AfterResolution::Yes;
                tracing::info!(run = %self.key, reason = exception.name(), "interrupting the run");
                self.say_why(exception);
                self.cancel_engine.cancel();
                self.abort_hooks.cancel();
            }
            Effect::Report(resolution) => {
                self.resolved = AfterResolution::Yes;
                self.reported = true;
                // What hooks still have to do is best effort.
                self.abort_hooks.cancel();
                let lease = self.lease.clone();
                self.spawn(Operation::Report, async move {
                    Done::Reported(lease.report(resolution).await)
                });
            }
            Effect::Dispose => {
                let held = std::mem::take(&mut self.held);
                self.spawn(
                    Operation::Dispose,
                    async move { Done::Disposed(held.release().await) },
                );
            }
        }
    }

    /// The task's author sees in the log what came from outside; errors have said their word already.
    fn say_why(&self, exception: Exception) {
        if let Exception::Aborted(reason) = exception {
            self.journal.error(match reason {
                AbortReason::WorkerShutdown => "task aborted - the worker is shutting down",
                AbortReason::Canceled => "task aborted - the task was canceled",
                AbortReason::DeadlineExceeded => "task aborted - the deadline of the task has passed",
                AbortReason::ClaimLost => "task aborted - the worker has lost the claim",
            });
        }
    }

    fn note(&self, stage: &Stage) {
        tracing::debug!(run = %self.key, stage = stage.name(), "stage");
        self.observer.stage(&self.key, stage.name());
    }

    /// After a panic of the loop itself: interrupts and awaits what is in flight, reports `internal-error` where nothing
    /// was reported, and releases what is held. Plugins hear no more.
    async fn rescue(&mut self, message: &str) -> Resolution {
        self.journal
            .trouble(format!("panic in the loop of the run: {message}"));
        if self.resolved == AfterResolution::No {
            self.journal.error(PANICKED);
        }
        self.resolved = AfterResolution::Yes;
        self.cancel_engine.cancel();
        self.abort_hooks.cancel();
        loop {
            while let Some(done) = self.operations.join_next().await {
                if let Ok(done) = done {
                    self.absorb(done);
                }
            }
            // Started meanwhile or just before, it is not to run on: waiting for it aborts it.
            let Held::Sandbox(_) = self.held else {
                break;
            };
            self.wait_for_sandbox();
        }
        let resolution = Resolution::Exception(Exception::InternalError);
        if !self.reported {
            let reported = self.lease.report(resolution).await;
            self.heard_of_report(reported);
        }
        let released = std::mem::take(&mut self.held).release().await;
        self.absorb(Done::Disposed(released));
        resolution
    }

    /// The last of the run: instances, lease, log.
    async fn close(self, resolution: Resolution) -> RunOutcome {
        let Self {
            key,
            lease,
            plugins,
            log,
            observer,
            mut journal,
            capacity,
            operations,
            ..
        } = self;
        drop(operations);
        match Arc::try_unwrap(plugins) {
            Ok(plugins) => plugins.dispose().await,
            Err(_) => journal.trouble("the plugins of the run are still in use".to_owned()),
        }
        match Arc::try_unwrap(lease) {
            Ok(lease) => lease.end().await,
            Err(_) => journal.trouble("the lease of the run is still in use".to_owned()),
        }
        log.close();
        observer.resolved(&key, &resolution.to_string());
        RunOutcome {
            resolution,
            troubles: journal.close(resolution),
            capacity,
        }
    }
}

/// Which of the two reasons to abort have been heard: each is heard once.
#[derive(Debug, Default)]
struct Aborts {
    lost: bool,
    stopped: bool,
}

#[cfg(test)]
pub(crate) mod tests;
