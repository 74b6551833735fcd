//! A task and its runs: the states and what leads from one to the next. No I/O, and the time is an argument.
//!
//! The state of a task is that of its last run; without any it is `unscheduled`.
//!
//! - `unscheduled`: waits for its dependencies.
//! - `pending`: waits for a worker.
//! - `running`: claimed until `takenUntil`, which the worker moves on by reclaiming.
//! - `completed`, `failed`, `exception`: resolved. A rerun adds a run; so does the queue itself, for as long as there are
//!   retries left, when a worker was lost or shut down, or when it calls the failure intermittent.

mod define;
mod transition;

pub(crate) use define::{Draft, Fields, check_times, schema_error};
pub(crate) use transition::{Change, Refusal, Resolution, Worker};

use chrono::{DateTime, Utc};
use queue::wire::{RunState, RunStatus, TaskDefinition, TaskState, TaskStatus};

/// No task has more runs than this.
pub(crate) const MAX_RUNS: usize = 50;

/// A task, as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    /// Its name.
    pub(crate) task_id: String,
    /// What its creator said, defaults filled in. Never changes.
    pub(crate) definition: TaskDefinition,
    /// How many more runs the queue may add by itself.
    pub(crate) retries_left: u32,
    /// The runs; the index is the runId.
    pub(crate) runs: Vec<RunStatus>,
}

impl Task {
    /// A task that has just been defined: unscheduled.
    pub(crate) fn new(task_id: String, definition: TaskDefinition) -> Self {
        Self {
            task_id,
            retries_left: definition.retries,
            definition,
            runs: Vec::new(),
        }
    }

    /// The state of the last run.
    pub(crate) fn state(&self) -> TaskState {
        self.runs
            .last()
            .map_or(TaskState::Unscheduled, |run| match run.state {
                RunState::Pending => TaskState::Pending,
                RunState::Running => TaskState::Running,
                RunState::Completed => TaskState::Completed,
                RunState::Failed => TaskState::Failed,
                RunState::Exception => TaskState::Exception,
                RunState::Unknown => TaskState::Unknown,
            })
    }

    /// Whether nothing more happens to it by itself.
    pub(crate) fn is_resolved(&self) -> bool {
        !matches!(
            self.state(),
            TaskState::Unscheduled | TaskState::Pending | TaskState::Running
        )
    }

    /// When the claim of the running run ends.
    pub(crate) fn taken_until(&self) -> Option<DateTime<Utc>> {
        self.runs
            .last()
            .filter(|run| run.state == RunState::Running)
            .and_then(|run| run.taken_until)
    }

    /// A run by its number.
    pub(crate) fn run(&self, run_id: u32) -> Option<&RunStatus> {
        self.runs.get(usize::try_from(run_id).ok()?)
    }

    /// As the API shows it.
    pub(crate) fn status(&self) -> TaskStatus {
        let definition = &self.definition;
        TaskStatus {
            task_id: self.task_id.clone(),
            provisioner_id: definition.provisioner_id.clone(),
            worker_type: definition.worker_type.clone(),
            task_queue_id: definition.task_queue_id.clone(),
            scheduler_id: definition.scheduler_id.clone(),
            project_id: definition.project_id.clone(),
            task_group_id: definition.task_group_id.clone(),
            priority: definition.priority,
            deadline: definition.deadline,
            expires: definition.expires,
            retries_left: self.retries_left,
            state: self.state(),
            runs: self.runs.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
