//! The worker-manager service, as far as a worker meets it (`/schemas/worker-manager/v1/*.json`).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Credentials, timestamp};

/// `registerWorker`, which asks for no credentials.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterWorkerRequest {
    /// `<provisionerId>/<workerType>`, the same as a task queue's.
    pub worker_pool_id: String,
    /// Which of the deployment's providers the worker belongs to.
    pub provider_id: String,
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_group: String,
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_id: String,
    /// Proves that it is that worker: `{staticSecret}` for a static provider. Secret.
    pub worker_identity_proof: Map<String, Value>,
    /// When the machine was booted.
    #[serde(with = "timestamp::option", default, skip_serializing_if = "Option::is_none")]
    pub system_boot_time: Option<DateTime<Utc>>,
}

/// The answer of `registerWorker`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterWorkerResponse {
    /// Until when the credentials are good.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// The worker's own.
    pub credentials: Credentials,
    /// What the pool's definition says of its workers.
    #[serde(default)]
    pub worker_config: Map<String, Value>,
    /// For `reregisterWorker`, once.
    pub secret: String,
}

/// `reregisterWorker`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReregisterWorkerRequest {
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_pool_id: String,
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_group: String,
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_id: String,
    /// As the registration, or the one before this, has answered it.
    pub secret: String,
}

/// The answer of `reregisterWorker`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReregisterWorkerResponse {
    /// Until when the credentials are good.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// The worker's own.
    pub credentials: Credentials,
    /// For the next time.
    pub secret: String,
}

/// `shouldWorkerTerminate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShouldWorkerTerminateResponse {
    /// Whether the worker is one too many.
    pub terminate: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `reportWorkerError`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerErrorReport {
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_group: String,
    #[expect(missing_docs, reason = "of this worker")]
    pub worker_id: String,
    /// A word for what kind of error it is.
    pub kind: String,
    /// At most 128 characters.
    pub title: String,
    /// At most 10 240 characters.
    pub description: String,
    /// Whatever else is known.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for RegisterWorkerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterWorkerRequest")
            .field("worker_pool_id", &self.worker_pool_id)
            .field("provider_id", &self.provider_id)
            .field("worker_group", &self.worker_group)
            .field("worker_id", &self.worker_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisterWorkerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterWorkerResponse")
            .field("expires", &self.expires)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReregisterWorkerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReregisterWorkerRequest")
            .field("worker_pool_id", &self.worker_pool_id)
            .field("worker_group", &self.worker_group)
            .field("worker_id", &self.worker_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReregisterWorkerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReregisterWorkerResponse")
            .field("expires", &self.expires)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
