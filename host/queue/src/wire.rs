//! The types of the queue's HTTP API, as its schemas have them (`/schemas/queue/v1/*.json` of any deployment).
//!
//! What a client sends and what the queue answers are the same types, so that the embedded queue and the client can't
//! disagree. Enumerations that the queue may extend have an `Unknown` case and are read leniently; what we write is strict.

mod artifact;
mod credentials;
mod status;
mod task;

pub mod timestamp;

pub use artifact::{
    Artifact, ArtifactContent, ArtifactErrorReason, CreateArtifactRequest, CreateArtifactResponse,
    ListArtifactsResponse,
};
pub use credentials::Credentials;
pub use status::{
    ClaimWorkRequest, ClaimWorkResponse, ListTaskGroupResponse, PendingTasksResponse, ReclaimResponse,
    RunState, RunStatus, StatusOfTask, StatusesRequest, StatusesResponse, TaskClaim, TaskExceptionRequest,
    TaskState, TaskStatus, TaskStatusResponse, TaskWithStatus,
};
pub use task::{Priority, Requires, TaskDefinition, TaskMetadata};

use serde::{Deserialize, Serialize};

/// The body of every error answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// One of Taskcluster's codes: `InputError`, `RequestConflict`, …
    pub code: String,
    /// For people, in Markdown.
    pub message: String,
    /// What was asked for: method, params, payload, time.
    #[serde(rename = "requestInfo", default)]
    pub request_info: serde_json::Value,
}
