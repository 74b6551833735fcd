//! The state of a task and of its runs, claims, and what is said to the queue about them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Credentials, TaskDefinition, timestamp};

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the queue's own words")]
pub enum TaskState {
    Unscheduled,
    Pending,
    Running,
    Completed,
    Failed,
    Exception,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the queue's own words")]
pub enum RunState {
    Pending,
    Running,
    Completed,
    Failed,
    Exception,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One run of a task. Reasons are text, because the queue may add to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Counts from 0.
    pub run_id: u32,
    /// Where the run is.
    pub state: RunState,
    /// `scheduled`, `retry`, `task-retry`, `rerun` or `exception`.
    pub reason_created: String,
    /// `completed`, `failed`, or the reason of an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_resolved: Option<String>,
    /// Of the worker that claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_group: Option<String>,
    /// Of the worker that claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// When the claim ends, unless it is reclaimed.
    #[serde(with = "timestamp::option", default, skip_serializing_if = "Option::is_none")]
    pub taken_until: Option<DateTime<Utc>>,
    /// When it became pending.
    #[serde(with = "timestamp")]
    pub scheduled: DateTime<Utc>,
    /// When it was claimed.
    #[serde(with = "timestamp::option", default, skip_serializing_if = "Option::is_none")]
    pub started: Option<DateTime<Utc>>,
    /// When it was resolved.
    #[serde(with = "timestamp::option", default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<DateTime<Utc>>,
}

/// The state of a task and all its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the same fields as of the task definition")]
pub struct TaskStatus {
    pub task_id: String,
    pub provisioner_id: String,
    pub worker_type: String,
    pub task_queue_id: String,
    pub scheduler_id: String,
    pub project_id: String,
    pub task_group_id: String,
    pub priority: super::Priority,
    #[serde(with = "timestamp")]
    pub deadline: DateTime<Utc>,
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// How many more runs may be made for lost ones.
    pub retries_left: u32,
    pub state: TaskState,
    pub runs: Vec<RunStatus>,
}

/// The answer of most calls that change a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskStatusResponse {
    /// The state after the call.
    pub status: TaskStatus,
}

/// `statuses`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusesRequest {
    /// At most 1000 for one page.
    pub task_ids: Vec<String>,
}

/// A page of `statuses`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusesResponse {
    /// In no particular order. Tasks that are not there are left out.
    pub statuses: Vec<StatusOfTask>,
    /// Asks for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
}

/// A task's name beside its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusOfTask {
    /// The task.
    pub task_id: String,
    /// Its state.
    pub status: TaskStatus,
}

/// `claimWork`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimWorkRequest {
    /// At most how many tasks, 1 to 32.
    pub tasks: u32,
    /// Of the worker.
    pub worker_group: String,
    /// Of the worker.
    pub worker_id: String,
}

/// The answer of `claimWork`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimWorkResponse {
    /// As many as were pending, up to what was asked for; none when the long poll ended.
    pub tasks: Vec<TaskClaim>,
}

/// The right to run one run of a task until `taken_until`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskClaim {
    /// The task's state, this run included.
    pub status: TaskStatus,
    /// The run that was claimed.
    pub run_id: u32,
    /// Of the worker.
    pub worker_group: String,
    /// Of the worker.
    pub worker_id: String,
    /// When the claim ends.
    #[serde(with = "timestamp")]
    pub taken_until: DateTime<Utc>,
    /// What to do.
    pub task: TaskDefinition,
    /// For reclaiming, resolving and artifacts of this run, and the task's own scopes.
    pub credentials: Credentials,
}

/// The answer of `reclaimTask`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReclaimResponse {
    /// The task's state.
    pub status: TaskStatus,
    /// The run that was reclaimed.
    pub run_id: u32,
    /// Of the worker.
    pub worker_group: String,
    /// Of the worker.
    pub worker_id: String,
    /// When the claim now ends.
    #[serde(with = "timestamp")]
    pub taken_until: DateTime<Utc>,
    /// These replace the former ones, which last until their own end.
    pub credentials: Credentials,
}

/// `reportException`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskExceptionRequest {
    /// `worker-shutdown`, `intermittent-task`, `malformed-payload`, `resource-unavailable` or `internal-error`.
    pub reason: String,
}

/// A task beside its state, as `listTaskGroup` has them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskWithStatus {
    /// The task's state.
    pub status: TaskStatus,
    /// Its definition.
    pub task: TaskDefinition,
}

/// A page of `listTaskGroup`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTaskGroupResponse {
    /// The group.
    pub task_group_id: String,
    /// The scheduler of its tasks.
    pub scheduler_id: String,
    /// When the last of its tasks expires.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// This page's tasks.
    pub tasks: Vec<TaskWithStatus>,
    /// Asks for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
}

/// The answer of `pendingTasks`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingTasksResponse {
    /// First part of the task queue id.
    pub provisioner_id: String,
    /// Second part of the task queue id.
    pub worker_type: String,
    /// The task queue.
    pub task_queue_id: String,
    /// How many tasks are pending there.
    pub pending_tasks: u64,
}
