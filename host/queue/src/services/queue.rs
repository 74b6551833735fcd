//! The calls of the queue's API that a worker and its tools make.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;

use crate::{
    CallError, Claims, CredentialsHandle, Reclaimed,
    deployment::{
        Call, Service,
        paths::{page, path, run_path},
        to_json,
    },
    retry::Retry,
    wire::{
        AcceptDownloadMethods, ArtifactContent, ClaimWorkRequest, CreateArtifactRequest,
        CreateArtifactResponse, FinishArtifactRequest, ListArtifactsResponse, ListTaskGroupResponse,
        PendingTasksResponse, StartDownloadRequest, StartDownloadResponse, StatusesRequest, StatusesResponse,
        TaskDefinition, TaskExceptionRequest, TaskStatusResponse,
    },
};

/// The queue of one deployment. Clones share what those of its [`Deployment`](crate::Deployment) share.
#[derive(Clone, Debug)]
pub struct Queue(Service);

impl Queue {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The same queue for somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: CredentialsHandle) -> Self {
        self.0.deployment.with_credentials(credentials).queue()
    }

    /// The same queue for somebody who asks again by rules of their own: each call is tried once, and may take no longer than
    /// `within` and than the client's options say.
    #[must_use]
    pub fn tried_once(&self, within: Duration) -> Self {
        self.0.deployment.tried_once(within).queue()
    }

    /// What the queue's clock shows, as far as its answers have told.
    #[must_use]
    pub fn server_time(&self) -> DateTime<Utc> {
        self.0.deployment.server_time()
    }

    /// Whether the queue is there.
    ///
    /// # Errors
    /// See [`CallError`], as for every call.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.0.get::<Value>("ping".to_owned()).await.map(drop)
    }

    /// Defines a task. Asking again with the same definition does no harm. `definition` as `create-task-request.yml`.
    ///
    /// # Errors
    /// 400 for a bad definition, 403 for scopes, 409 where the taskId is taken.
    pub async fn create_task(
        &self,
        task_id: &str,
        definition: &Value,
    ) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(Method::PUT, path(&["task", task_id]), Some(definition))
            .await
    }

    /// A task's definition.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn task(&self, task_id: &str) -> Result<TaskDefinition, CallError> {
        self.0.get(path(&["task", task_id])).await
    }

    /// A task's state.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn status(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.0.get(path(&["task", task_id, "status"])).await
    }

    /// The state of up to 1000 tasks. Those that are not there are left out.
    ///
    /// # Errors
    /// See [`CallError`]; 403 where the scope is missing for any of them.
    pub async fn statuses(&self, task_ids: &[String]) -> Result<StatusesResponse, CallError> {
        let request = StatusesRequest {
            task_ids: task_ids.to_vec(),
        };
        self.0
            .send(Method::POST, path(&["tasks", "status"]), Some(&request))
            .await
    }

    /// A page of the tasks of a group.
    ///
    /// # Errors
    /// 404 where there is no such group.
    pub async fn list_task_group(
        &self,
        task_group_id: &str,
        continuation_token: Option<&str>,
    ) -> Result<ListTaskGroupResponse, CallError> {
        self.0
            .get(page(
                path(&["task-group", task_group_id, "list"]),
                continuation_token,
            ))
            .await
    }

    /// Resolves a task as canceled, whatever it is doing.
    ///
    /// # Errors
    /// 409 where it is resolved already.
    pub async fn cancel_task(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(Method::POST, path(&["task", task_id, "cancel"]), None::<&()>)
            .await
    }

    /// Adds a run to a resolved task.
    ///
    /// # Errors
    /// 409 where it is not resolved, or past its deadline.
    pub async fn rerun_task(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(Method::POST, path(&["task", task_id, "rerun"]), None::<&()>)
            .await
    }

    /// Makes an unscheduled task pending, whatever it depends on.
    ///
    /// # Errors
    /// 409 past its deadline.
    pub async fn schedule_task(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(Method::POST, path(&["task", task_id, "schedule"]), None::<&()>)
            .await
    }

    /// Asks for work: answers as soon as there is any, or with none after 20 s. Never tried again by the client: a lost
    /// answer is a lost claim, and asking again would lose another.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn claim_work(
        &self,
        task_queue_id: &str,
        request: &ClaimWorkRequest,
    ) -> Result<Claims, CallError> {
        let path = path(&["claim-work", task_queue_id]);
        let body = to_json(Method::POST, &path, request)?;
        self.0
            .call(Call {
                method: Method::POST,
                name: "POST",
                path,
                body: Some(&body),
                retry: Retry::Never,
                timeout: self.0.deployment.claim_timeout(),
            })
            .await
    }

    /// Renews a claim.
    ///
    /// # Errors
    /// 409 where the run is not running any more.
    pub async fn reclaim_task(&self, task_id: &str, run_id: u32) -> Result<Reclaimed, CallError> {
        self.0
            .send(Method::POST, run_path(task_id, run_id, &["reclaim"]), None::<&()>)
            .await
    }

    /// Resolves a run as completed.
    ///
    /// # Errors
    /// 409 where it is resolved otherwise.
    pub async fn report_completed(
        &self,
        task_id: &str,
        run_id: u32,
    ) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(
                Method::POST,
                run_path(task_id, run_id, &["completed"]),
                None::<&()>,
            )
            .await
    }

    /// Resolves a run as failed.
    ///
    /// # Errors
    /// 409 where it is resolved otherwise.
    pub async fn report_failed(&self, task_id: &str, run_id: u32) -> Result<TaskStatusResponse, CallError> {
        self.0
            .send(Method::POST, run_path(task_id, run_id, &["failed"]), None::<&()>)
            .await
    }

    /// Resolves a run as an exception.
    ///
    /// # Errors
    /// 409 where it is resolved otherwise.
    pub async fn report_exception(
        &self,
        task_id: &str,
        run_id: u32,
        reason: &str,
    ) -> Result<TaskStatusResponse, CallError> {
        let body = TaskExceptionRequest {
            reason: reason.to_owned(),
        };
        self.0
            .send(
                Method::POST,
                run_path(task_id, run_id, &["exception"]),
                Some(&body),
            )
            .await
    }

    /// Creates an artifact, or asks for a new address to put its bytes to.
    ///
    /// # Errors
    /// 409 where the name is taken by another, 400 for what the queue does not take.
    pub async fn create_artifact(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
        request: &CreateArtifactRequest,
    ) -> Result<CreateArtifactResponse, CallError> {
        self.0
            .send(
                Method::POST,
                run_path(task_id, run_id, &["artifacts", name]),
                Some(request),
            )
            .await
    }

    /// Says that the bytes of an artifact are with the object service.
    ///
    /// # Errors
    /// 400 where it is no such artifact or another upload's.
    pub async fn finish_artifact(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
        upload_id: &str,
    ) -> Result<(), CallError> {
        let request = FinishArtifactRequest {
            upload_id: upload_id.to_owned(),
        };
        self.0
            .send::<Option<Value>>(
                Method::PUT,
                run_path(task_id, run_id, &["artifacts", name]),
                Some(&request),
            )
            .await
            .map(drop)
    }

    /// Where an artifact's content is, links followed.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn artifact(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
    ) -> Result<ArtifactContent, CallError> {
        self.0
            .get(run_path(task_id, run_id, &["artifact-content", name]))
            .await
    }

    /// The same of the task's latest run.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn latest_artifact(&self, task_id: &str, name: &str) -> Result<ArtifactContent, CallError> {
        self.0
            .get(path(&["task", task_id, "artifact-content", name]))
            .await
    }

    /// The address of an artifact's bytes; the object service is asked for those that it keeps. None where there are none:
    /// what the artifact has is an error, or an address that its creator gave.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn address_of(&self, content: ArtifactContent) -> Result<Option<String>, CallError> {
        match content {
            ArtifactContent::S3 { url } => Ok(Some(url)),
            ArtifactContent::Object { name, credentials } => {
                let credentials = CredentialsHandle::new(credentials);
                let objects = self.0.deployment.with_credentials(credentials).objects();
                let methods = AcceptDownloadMethods {
                    simple: Some(true),
                    get_url: Some(true),
                };
                let request = StartDownloadRequest {
                    accept_download_methods: methods,
                };
                Ok(Some(match objects.start_download(&name, &request).await? {
                    StartDownloadResponse::Simple { url } | StartDownloadResponse::GetUrl { url, .. } => url,
                }))
            }
            ArtifactContent::Reference { .. } | ArtifactContent::Error { .. } => Ok(None),
        }
    }

    /// A page of a run's artifacts.
    ///
    /// # Errors
    /// 404 where there is no such run.
    pub async fn list_artifacts(
        &self,
        task_id: &str,
        run_id: u32,
        continuation_token: Option<&str>,
    ) -> Result<ListArtifactsResponse, CallError> {
        self.0
            .get(page(
                run_path(task_id, run_id, &["artifacts"]),
                continuation_token,
            ))
            .await
    }

    /// A page of the artifacts of the task's latest run.
    ///
    /// # Errors
    /// 404 where there is no run.
    pub async fn list_latest_artifacts(
        &self,
        task_id: &str,
        continuation_token: Option<&str>,
    ) -> Result<ListArtifactsResponse, CallError> {
        self.0
            .get(page(path(&["task", task_id, "artifacts"]), continuation_token))
            .await
    }

    /// How many tasks are pending in a task queue.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn pending_tasks(&self, task_queue_id: &str) -> Result<PendingTasksResponse, CallError> {
        self.0.get(path(&["pending", task_queue_id])).await
    }
}
