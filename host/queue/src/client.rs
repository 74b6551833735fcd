//! The calls of the queue's API that a worker and its tools make.
//!
//! How a call is made, tried again and answered is in `call`; how its path is written in `paths`.

mod call;
mod paths;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use self::paths::{page, path, run_path};
use crate::{
    CallError, CredentialsHandle,
    clock::ServerClock,
    retry::{Pauses, Retry},
    wire::{
        ArtifactContent, ClaimWorkRequest, ClaimWorkResponse, CreateArtifactRequest, CreateArtifactResponse,
        ListArtifactsResponse, ListTaskGroupResponse, PendingTasksResponse, ReclaimResponse, StatusesRequest,
        StatusesResponse, TaskDefinition, TaskExceptionRequest, TaskStatusResponse,
    },
};

/// How long calls may take.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For one try of any call but `claimWork`.
    pub call_timeout: Duration,
    /// For `claimWork`, which the queue holds for 20 s while nothing is pending.
    pub claim_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            claim_timeout: Duration::from_secs(45),
        }
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NewQueueError {
    /// The root URL is none.
    #[error("the root URL {0:?} is not an http or https URL, such as https://tc.example.com")]
    RootUrl(String),
}

/// The process's HTTP client: one pool of connections, system root certificates, no redirects followed.
///
/// # Errors
/// When the TLS library or the system's root certificates can't be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(concat!("taskcluster-worker/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
}

/// The queue of one deployment. Clones share the pool, the credentials and the clock.
#[derive(Clone, Debug)]
pub struct Queue {
    http: reqwest::Client,
    base: Url,
    credentials: CredentialsHandle,
    clock: ServerClock,
    options: ClientOptions,
    pauses: Pauses,
}

impl Queue {
    /// A client of the queue under `root_url`.
    ///
    /// # Errors
    /// For a root URL that is none.
    pub fn new(
        http: reqwest::Client,
        root_url: &str,
        credentials: CredentialsHandle,
        options: ClientOptions,
    ) -> Result<Self, NewQueueError> {
        let base = base_url(root_url).ok_or_else(|| NewQueueError::RootUrl(root_url.to_owned()))?;
        Ok(Self {
            http,
            base,
            credentials,
            clock: ServerClock::default(),
            options,
            pauses: Pauses::default(),
        })
    }

    /// The same queue for somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: CredentialsHandle) -> Self {
        Self {
            credentials,
            ..self.clone()
        }
    }

    /// What the queue's clock shows, as far as its answers have told.
    #[must_use]
    pub fn server_time(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether the queue is there.
    ///
    /// # Errors
    /// See [`CallError`], as for every call.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.get::<Value>("ping".to_owned()).await.map(drop)
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
        self.send(Method::PUT, path(&["task", task_id]), Some(definition))
            .await
    }

    /// A task's definition.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn task(&self, task_id: &str) -> Result<TaskDefinition, CallError> {
        self.get(path(&["task", task_id])).await
    }

    /// A task's state.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn status(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.get(path(&["task", task_id, "status"])).await
    }

    /// The state of up to 1000 tasks. Those that are not there are left out.
    ///
    /// # Errors
    /// See [`CallError`]; 403 where the scope is missing for any of them.
    pub async fn statuses(&self, task_ids: &[String]) -> Result<StatusesResponse, CallError> {
        let request = StatusesRequest {
            task_ids: task_ids.to_vec(),
        };
        self.send(Method::POST, path(&["tasks", "status"]), Some(&request))
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
        self.get(page(
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
        self.send(Method::POST, path(&["task", task_id, "cancel"]), None::<&()>)
            .await
    }

    /// Adds a run to a resolved task.
    ///
    /// # Errors
    /// 409 where it is not resolved, or past its deadline.
    pub async fn rerun_task(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.send(Method::POST, path(&["task", task_id, "rerun"]), None::<&()>)
            .await
    }

    /// Makes an unscheduled task pending, whatever it depends on.
    ///
    /// # Errors
    /// 409 past its deadline.
    pub async fn schedule_task(&self, task_id: &str) -> Result<TaskStatusResponse, CallError> {
        self.send(Method::POST, path(&["task", task_id, "schedule"]), None::<&()>)
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
    ) -> Result<ClaimWorkResponse, CallError> {
        let path = path(&["claim-work", task_queue_id]);
        let body = call::to_json(Method::POST, &path, request)?;
        self.call(call::Call {
            method: Method::POST,
            name: "POST",
            path,
            body: Some(&body),
            retry: Retry::Never,
            timeout: self.options.claim_timeout,
        })
        .await
    }

    /// Renews a claim.
    ///
    /// # Errors
    /// 409 where the run is not running any more.
    pub async fn reclaim_task(&self, task_id: &str, run_id: u32) -> Result<ReclaimResponse, CallError> {
        self.send(Method::POST, run_path(task_id, run_id, &["reclaim"]), None::<&()>)
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
        self.send(
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
        self.send(Method::POST, run_path(task_id, run_id, &["failed"]), None::<&()>)
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
        self.send(
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
        self.send(
            Method::POST,
            run_path(task_id, run_id, &["artifacts", name]),
            Some(request),
        )
        .await
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
        self.get(run_path(task_id, run_id, &["artifact-content", name]))
            .await
    }

    /// The same of the task's latest run.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn latest_artifact(&self, task_id: &str, name: &str) -> Result<ArtifactContent, CallError> {
        self.get(path(&["task", task_id, "artifact-content", name])).await
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
        self.get(page(
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
        self.get(page(path(&["task", task_id, "artifacts"]), continuation_token))
            .await
    }

    /// How many tasks are pending in a task queue.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn pending_tasks(&self, task_queue_id: &str) -> Result<PendingTasksResponse, CallError> {
        self.get(path(&["pending", task_queue_id])).await
    }
}

/// What the paths of calls are below; none for a root URL that is none.
fn base_url(root_url: &str) -> Option<Url> {
    let mut url = Url::parse(root_url).ok()?;
    let plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let path = format!("{}/api/queue/v1/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests;
