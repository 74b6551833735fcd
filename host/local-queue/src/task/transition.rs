//! What leads from one state of a task to the next.

use chrono::{DateTime, Utc};
use queue::wire::{RunState, RunStatus, TaskState};

use super::{MAX_RUNS, Task};

/// Why a transition is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The task's deadline has passed.
    #[error("past the deadline")]
    PastDeadline,
    /// The run is not the last, is not running, or is resolved otherwise.
    #[error("resolved or not running")]
    NotRunning,
    /// The task has as many runs as a task may have.
    #[error("no more runs")]
    TooManyRuns,
}

/// Whether a transition has changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a task that has changed is to be saved"]
pub(crate) enum Change {
    /// The task is to be saved.
    Made,
    /// It was as asked for already.
    None,
}

/// Who claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worker {
    /// The workerGroup.
    pub(crate) group: String,
    /// The workerId.
    pub(crate) id: String,
}

/// What a worker says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// It succeeded.
    Completed,
    /// It failed.
    Failed,
    /// It could not be run: the reason, and why the next run is made if there is to be one.
    Exception {
        /// `reasonResolved`.
        reason: &'static str,
        /// `reasonCreated` of the next run, if retries are left.
        retry: Option<&'static str>,
    },
}

impl Resolution {
    /// The exceptions that a worker may report.
    pub(crate) fn exception(reason: &str) -> Option<Self> {
        let (reason, retry) = match reason {
            "worker-shutdown" => ("worker-shutdown", Some("retry")),
            "intermittent-task" => ("intermittent-task", Some("task-retry")),
            "malformed-payload" => ("malformed-payload", None),
            "resource-unavailable" => ("resource-unavailable", None),
            "internal-error" => ("internal-error", None),
            _ => return None,
        };
        Some(Self::Exception { reason, retry })
    }

    fn state(self) -> RunState {
        match self {
            Self::Completed => RunState::Completed,
            Self::Failed => RunState::Failed,
            Self::Exception { .. } => RunState::Exception,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Exception { reason, .. } => reason,
        }
    }
}

impl Task {
    /// Makes an unscheduled task pending.
    pub(crate) fn schedule(&mut self, now: DateTime<Utc>) -> Result<Change, Refusal> {
        if self.definition.deadline < now {
            return Err(Refusal::PastDeadline);
        }
        if !self.runs.is_empty() {
            return Ok(Change::None);
        }
        self.add_run("scheduled", now);
        Ok(Change::Made)
    }

    /// Adds a run, unless one is pending or running, and gives the retries back.
    pub(crate) fn rerun(&mut self, now: DateTime<Utc>) -> Result<Change, Refusal> {
        if self.definition.deadline < now {
            return Err(Refusal::PastDeadline);
        }
        if matches!(self.state(), TaskState::Pending | TaskState::Running) {
            return Ok(Change::None);
        }
        if self.runs.len() >= MAX_RUNS {
            return Err(Refusal::TooManyRuns);
        }
        self.add_run("rerun", now);
        let room = u32::try_from(MAX_RUNS - self.runs.len()).unwrap_or(0);
        self.retries_left = self.definition.retries.min(room);
        Ok(Change::Made)
    }

    /// Gives the pending run to a worker until `taken_until`. Answers its number.
    pub(crate) fn claim(
        &mut self,
        worker: &Worker,
        now: DateTime<Utc>,
        taken_until: DateTime<Utc>,
    ) -> Result<u32, Refusal> {
        if self.definition.deadline <= now {
            return Err(Refusal::PastDeadline);
        }
        let Some(run) = self.runs.last_mut().filter(|run| run.state == RunState::Pending) else {
            return Err(Refusal::NotRunning);
        };
        run.state = RunState::Running;
        run.worker_group = Some(worker.group.clone());
        run.worker_id = Some(worker.id.clone());
        run.started = Some(now);
        run.taken_until = Some(taken_until);
        Ok(run.run_id)
    }

    /// Moves the end of a claim on; never back.
    pub(crate) fn reclaim(
        &mut self,
        run_id: u32,
        now: DateTime<Utc>,
        taken_until: DateTime<Utc>,
    ) -> Result<Change, Refusal> {
        if self.definition.deadline <= now {
            return Err(Refusal::PastDeadline);
        }
        let run = self.running_run(run_id).ok_or(Refusal::NotRunning)?;
        if run.taken_until.is_some_and(|former| former >= taken_until) {
            return Ok(Change::None);
        }
        run.taken_until = Some(taken_until);
        Ok(Change::Made)
    }

    /// Resolves a run as its worker says. Saying the same again changes nothing.
    pub(crate) fn resolve(
        &mut self,
        run_id: u32,
        resolution: Resolution,
        now: DateTime<Utc>,
    ) -> Result<Change, Refusal> {
        if let Some(run) = self.running_run(run_id) {
            end(run, resolution, now);
            if let Resolution::Exception { retry: Some(why), .. } = resolution {
                self.retry(why, now);
            }
            return Ok(Change::Made);
        }
        // An exception may have led to one more run since; completed and failed runs are the last ones.
        let followers = self
            .runs
            .len()
            .saturating_sub(usize::try_from(run_id).unwrap_or(usize::MAX).saturating_add(1));
        let allowed = usize::from(matches!(resolution, Resolution::Exception { .. }));
        let same = self.run(run_id).is_some_and(|run| {
            run.state == resolution.state() && run.reason_resolved.as_deref() == Some(resolution.reason())
        });
        if same && followers <= allowed {
            Ok(Change::None)
        } else {
            Err(Refusal::NotRunning)
        }
    }

    /// Resolves whatever the task is doing as canceled. A resolved task stays as it is.
    pub(crate) fn cancel(&mut self, now: DateTime<Utc>) -> Result<Change, Refusal> {
        if self.definition.deadline < now {
            return Err(Refusal::PastDeadline);
        }
        Ok(self.end_as("canceled", now))
    }

    /// Resolves an unresolved task whose deadline has come.
    pub(crate) fn exceed_deadline(&mut self, now: DateTime<Utc>) -> Change {
        if self.definition.deadline > now {
            return Change::None;
        }
        self.end_as("deadline-exceeded", now)
    }

    /// Resolves a run whose claim has ended, and adds another while there are retries left.
    pub(crate) fn expire_claim(&mut self, now: DateTime<Utc>) -> Change {
        if self.taken_until().is_none_or(|until| until > now) {
            return Change::None;
        }
        if let Some(run) = self.runs.last_mut() {
            run.state = RunState::Exception;
            run.reason_resolved = Some("claim-expired".to_owned());
            run.resolved = Some(now);
        }
        self.retry("retry", now);
        Change::Made
    }

    /// The last run, if that is the one asked for and it is running.
    fn running_run(&mut self, run_id: u32) -> Option<&mut RunStatus> {
        self.runs
            .last_mut()
            .filter(|run| run.run_id == run_id && run.state == RunState::Running)
    }

    fn add_run(&mut self, reason_created: &str, now: DateTime<Utc>) {
        self.runs.push(RunStatus {
            run_id: u32::try_from(self.runs.len()).unwrap_or(u32::MAX),
            state: RunState::Pending,
            reason_created: reason_created.to_owned(),
            reason_resolved: None,
            worker_group: None,
            worker_id: None,
            taken_until: None,
            scheduled: now,
            started: None,
            resolved: None,
        });
    }

    fn retry(&mut self, reason_created: &str, now: DateTime<Utc>) {
        if self.retries_left > 0 && self.runs.len() < MAX_RUNS {
            self.retries_left -= 1;
            self.add_run(reason_created, now);
        }
    }

    /// Ends the last run; a task without any gets one, so that there is something to say it with.
    fn end_as(&mut self, reason: &'static str, now: DateTime<Utc>) -> Change {
        if self.is_resolved() {
            return Change::None;
        }
        if self.runs.is_empty() {
            self.add_run("exception", now);
        }
        if let Some(run) = self.runs.last_mut() {
            end(run, Resolution::Exception { reason, retry: None }, now);
        }
        Change::Made
    }
}

fn end(run: &mut RunStatus, resolution: Resolution, now: DateTime<Utc>) {
    run.state = resolution.state();
    run.reason_resolved = Some(resolution.reason().to_owned());
    run.resolved = Some(now);
}
