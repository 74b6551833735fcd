//! The calls of the worker-manager service that a worker makes.

use reqwest::Method;
use serde_json::Value;

use crate::{
    CallError, CredentialsHandle,
    deployment::{Service, paths::path},
    wire::{
        RegisterWorkerRequest, RegisterWorkerResponse, ReregisterWorkerRequest, ReregisterWorkerResponse,
        ShouldWorkerTerminateResponse, WorkerErrorReport,
    },
};

/// The worker-manager service of one deployment.
#[derive(Clone, Debug)]
pub struct WorkerManager(Service);

/// Which worker is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerName {
    /// `<provisionerId>/<workerType>`.
    pub worker_pool_id: String,
    #[expect(missing_docs, reason = "of the worker")]
    pub worker_group: String,
    #[expect(missing_docs, reason = "of the worker")]
    pub worker_id: String,
}

impl WorkerName {
    fn path(&self, rest: &[&str]) -> String {
        let mut parts = vec![
            "workers",
            &self.worker_pool_id,
            &self.worker_group,
            &self.worker_id,
        ];
        parts.extend(rest);
        path(&parts)
    }
}

impl WorkerManager {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The same service for somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: CredentialsHandle) -> Self {
        self.0.deployment.with_credentials(credentials).worker_manager()
    }

    /// Registers a worker, which proves who it is by something else than credentials.
    ///
    /// # Errors
    /// 400 where the proof is not accepted or the worker is not to run, 404 for an unknown pool or provider.
    pub async fn register_worker(
        &self,
        request: &RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, CallError> {
        self.0
            .send(Method::POST, "worker/register".to_owned(), Some(request))
            .await
    }

    /// Asks for new credentials. The secret is good for one time: where the answer is lost, so is the registration.
    ///
    /// # Errors
    /// 400 where the secret is another, or the worker is not to run any more.
    pub async fn reregister_worker(
        &self,
        request: &ReregisterWorkerRequest,
    ) -> Result<ReregisterWorkerResponse, CallError> {
        self.0
            .send(Method::POST, "worker/reregister".to_owned(), Some(request))
            .await
    }

    /// Whether a worker that has nothing to do is one too many.
    ///
    /// # Errors
    /// 403 without the scope, 404 for a worker that is not known.
    pub async fn should_worker_terminate(
        &self,
        worker: &WorkerName,
    ) -> Result<ShouldWorkerTerminateResponse, CallError> {
        self.0.get(worker.path(&["should-terminate"])).await
    }

    /// Says that a worker is gone.
    ///
    /// # Errors
    /// 403 without the scope, 404 for a worker that is not known.
    pub async fn remove_worker(&self, worker: &WorkerName) -> Result<(), CallError> {
        self.0
            .send::<Option<Value>>(Method::DELETE, worker.path(&[]), None::<&()>)
            .await
            .map(drop)
    }

    /// Tells the pool's owners of an error.
    ///
    /// # Errors
    /// 403 without the scopes.
    pub async fn report_worker_error(
        &self,
        worker_pool_id: &str,
        report: &WorkerErrorReport,
    ) -> Result<(), CallError> {
        self.0
            .send::<Option<Value>>(
                Method::POST,
                path(&["worker-pool-errors", worker_pool_id]),
                Some(report),
            )
            .await
            .map(drop)
    }
}
