//! What a test asks of a queue.

use std::collections::BTreeMap;

use async_compression::tokio::bufread::GzipDecoder;
use queue::{
    ClientOptions, CredentialsHandle, Deployment, Queue,
    wire::{Artifact, ArtifactContent, Credentials, RunStatus, TaskState, TaskStatus},
};
use tokio::io::AsyncReadExt as _;

use super::{Definition, QueueProcess, eventually};

/// A client that may do everything.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) queue: Queue,
    pub(crate) http: reqwest::Client,
}

/// The bytes of an artifact, decompressed, and how they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) text: String,
    pub(crate) content_type: String,
    pub(crate) is_gzip: bool,
}

impl Client {
    pub(crate) fn new(queue: &QueueProcess) -> Self {
        Self::at(queue.root_url(), queue.credentials())
    }

    /// A client of any queue.
    pub(crate) fn at(root_url: &str, credentials: Credentials) -> Self {
        // Only the second call fails.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = queue::http_client().unwrap();
        let credentials = CredentialsHandle::new(credentials);
        let client = Deployment::new(http.clone(), root_url, credentials, ClientOptions::default());
        Self {
            queue: client.unwrap().queue(),
            http,
        }
    }

    /// Creates a task, and answers its taskId.
    pub(crate) async fn create(&self, definition: &Definition) -> String {
        let task_id = slugid::nice();
        self.queue.create_task(&task_id, definition.json()).await.unwrap();
        task_id
    }

    pub(crate) async fn status(&self, task_id: &str) -> TaskStatus {
        self.queue.status(task_id).await.unwrap().status
    }

    /// Waits until a task is resolved.
    pub(crate) async fn resolved(&self, task_id: &str) -> TaskStatus {
        self.until(task_id, "resolved", |status| {
            matches!(
                status.state,
                TaskState::Completed | TaskState::Failed | TaskState::Exception
            )
        })
        .await
    }

    /// Waits until a run of a task is resolved, which the task itself may not be.
    pub(crate) async fn run_resolved(&self, task_id: &str, run_id: usize) -> RunStatus {
        let resolved = |status: &TaskStatus| {
            status
                .runs
                .get(run_id)
                .is_some_and(|run| run.reason_resolved.is_some())
        };
        self.until(task_id, "resolved", resolved).await.runs[run_id].clone()
    }

    async fn until(&self, task_id: &str, what: &str, there: impl Fn(&TaskStatus) -> bool) -> TaskStatus {
        eventually(&format!("task {task_id} is {what}"), async || {
            // The queue may be down: that is what some tests are about.
            let status = self.queue.status(task_id).await.ok()?.status;
            there(&status).then_some(status)
        })
        .await
    }

    /// The artifacts of a run by name.
    pub(crate) async fn artifacts(&self, task_id: &str, run_id: u32) -> BTreeMap<String, Artifact> {
        let list = self.queue.list_artifacts(task_id, run_id, None).await.unwrap();
        assert_eq!(list.continuation_token, None);
        list.artifacts
            .into_iter()
            .map(|artifact| (artifact.name.clone(), artifact))
            .collect()
    }

    /// Where the content of an artifact of the latest run is.
    pub(crate) async fn place(&self, task_id: &str, name: &str) -> ArtifactContent {
        self.queue.latest_artifact(task_id, name).await.unwrap()
    }

    /// The content of an artifact of the latest run that has bytes of its own, links followed.
    pub(crate) async fn fetch(&self, task_id: &str, name: &str) -> Fetched {
        match self.address(task_id, name).await {
            Some(url) => self.get(&url).await,
            None => panic!("{name} has no bytes"),
        }
    }

    /// Where the bytes of an artifact of the latest run are, whoever keeps them.
    async fn address(&self, task_id: &str, name: &str) -> Option<String> {
        let content = self.queue.latest_artifact(task_id, name).await.ok()?;
        self.queue.address_of(content).await.ok()?
    }

    /// What is at an address.
    pub(crate) async fn get(&self, url: &str) -> Fetched {
        self.try_get(url).await.unwrap()
    }

    async fn try_get(&self, url: &str) -> reqwest::Result<Fetched> {
        let answer = self.http.get(url).send().await?.error_for_status()?;
        let header = |name: &str| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (content_type, is_gzip) = (header("content-type"), header("content-encoding") == "gzip");
        let bytes = answer.bytes().await?;
        let mut text = String::new();
        if is_gzip {
            GzipDecoder::new(&*bytes).read_to_string(&mut text).await.unwrap();
        } else {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        Ok(Fetched {
            text,
            content_type,
            is_gzip,
        })
    }

    /// The whole log of the latest run of a task. That of an exception is stored after it was reported.
    pub(crate) async fn log(&self, task_id: &str) -> String {
        let name = "public/logs/live_backing.log";
        eventually(&format!("the log of {task_id} is stored"), async || {
            let url = self.address(task_id, name).await?;
            // An artifact is there before its bytes are.
            Some(self.try_get(&url).await.ok()?.text)
        })
        .await
    }
}
