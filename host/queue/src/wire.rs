//! The types of Taskcluster's HTTP APIs, as their schemas have them (`/schemas/<service>/v1/*.json` of any deployment).
//!
//! What a client sends and what a service answers are the same types, so that the embedded services and the client can't
//! disagree. Enumerations that a service may extend have an `Unknown` case and are read leniently; what we write is strict.

mod artifact;
mod auth;
mod credentials;
mod object;
mod secret;
mod status;
mod task;
mod worker_manager;

pub mod timestamp;

pub use artifact::{
    Artifact, ArtifactContent, ArtifactErrorReason, CreateArtifactRequest, CreateArtifactResponse,
    ListArtifactsResponse,
};
pub use auth::ScopeSet;
pub use credentials::Credentials;
pub use object::{
    AcceptDownloadMethods, CreateUploadRequest, CreateUploadResponse, DataInline, FinishArtifactRequest,
    FinishUploadRequest, Hashes, ObjectMetadata, ObjectUpload, ProposedUploadMethods, PutUrl, PutUrlTarget,
    StartDownloadRequest, StartDownloadResponse, UploadMethod,
};
pub use secret::SecretValue;
pub use status::{
    ClaimWorkRequest, ClaimWorkResponse, ListTaskGroupResponse, PendingTasksResponse, ReclaimResponse,
    RunState, RunStatus, StatusOfTask, StatusesRequest, StatusesResponse, TaskClaim, TaskExceptionRequest,
    TaskState, TaskStatus, TaskStatusResponse, TaskWithStatus,
};
pub use task::{Priority, Requires, TaskDefinition, TaskMetadata};
pub use worker_manager::{
    RegisterWorkerRequest, RegisterWorkerResponse, ReregisterWorkerRequest, ReregisterWorkerResponse,
    ShouldWorkerTerminateResponse, WorkerErrorReport,
};

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
