//! The task definition (`task.yml`, `create-task-request.yml`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::timestamp;

/// A task as its creator defined it, all defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinition {
    /// First part of the task queue id.
    pub provisioner_id: String,
    /// Second part of the task queue id.
    pub worker_type: String,
    /// `<provisionerId>/<workerType>`.
    pub task_queue_id: String,
    /// Who schedules the group's tasks.
    pub scheduler_id: String,
    /// For reports and storage.
    pub project_id: String,
    /// The group that the task belongs to.
    pub task_group_id: String,
    /// TaskIds of tasks that must be resolved first.
    pub dependencies: Vec<String>,
    /// Which resolutions of those will do.
    pub requires: Requires,
    /// Pulse routes.
    pub routes: Vec<String>,
    /// Order among pending tasks.
    pub priority: Priority,
    /// How many times a lost or `worker-shutdown` run is tried again; 0 to 49.
    pub retries: u32,
    /// When the creator made it.
    #[serde(with = "timestamp")]
    pub created: DateTime<Utc>,
    /// When it is resolved `deadline-exceeded`, if it is not yet.
    #[serde(with = "timestamp")]
    pub deadline: DateTime<Utc>,
    /// When it and its artifacts may be forgotten.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// What the task may do.
    pub scopes: Vec<String>,
    /// What the worker is to do: its own schema.
    pub payload: Map<String, Value>,
    /// For people.
    pub metadata: TaskMetadata,
    /// For searching.
    pub tags: BTreeMap<String, String>,
    /// Anything.
    pub extra: Map<String, Value>,
}

/// What a task is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMetadata {
    /// At most 255 characters.
    pub name: String,
    /// Markdown, at most 32768 characters.
    pub description: String,
    /// Usually an email address.
    pub owner: String,
    /// A link to where the task is from.
    pub source: String,
}

/// Order among pending tasks, most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own words")]
pub enum Priority {
    Highest,
    VeryHigh,
    High,
    Medium,
    Low,
    VeryLow,
    #[default]
    Lowest,
    /// A priority that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Which resolutions of its dependencies let a task run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requires {
    /// All `completed`.
    #[default]
    AllCompleted,
    /// All resolved in any way.
    AllResolved,
    /// A condition that this version does not know.
    #[serde(other)]
    Unknown,
}
