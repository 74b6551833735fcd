//! What a run lends to its plugins, with nothing behind it: what is measured is the plugins.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::{
    Content, DisposeError, EngineError, ExtractError, FolderWalk, KillError, LogLevel, ResultSet, Sandbox,
    SandboxBuilder, SandboxEnd, SetVariableError,
};
use plugin_host::{
    Phase, SandboxPhase,
    ports::{
        ArtifactError, ArtifactStore, Lifecycle, RunPorts, TaskInfo, TaskLog, Upload, Uploaded, WorkerInfo,
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Everything, and it does nothing.
#[derive(Debug)]
pub(super) struct Nothing;

impl Lifecycle for Nothing {
    fn stop_gracefully(&self, _why: &str) {}

    fn stop_now(&self, _why: &str) {}

    fn stopping(&self) -> bool {
        false
    }
}

impl TaskLog for Nothing {
    fn line(&self, _level: LogLevel, _text: &str) {}

    fn content(&self) -> Option<Arc<dyn Content>> {
        None
    }

    fn live_url(&self) -> Option<String> {
        None
    }
}

#[async_trait]
impl ArtifactStore for Nothing {
    async fn upload(&self, _upload: Upload) -> Result<Uploaded, ArtifactError> {
        Err(ArtifactError::Cancelled)
    }

    async fn reference(
        &self,
        _name: &str,
        _url: &str,
        _content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        Ok(())
    }

    async fn link(
        &self,
        _name: &str,
        _target: &str,
        _content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        Ok(())
    }

    async fn report_error(
        &self,
        _name: &str,
        _reason: &str,
        _message: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        Ok(())
    }
}

#[async_trait]
impl SandboxBuilder for Nothing {
    fn set_variable(&self, _name: &str, _value: &str) -> Result<(), SetVariableError> {
        Ok(())
    }

    async fn start(self: Box<Self>, _cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError> {
        Ok(Arc::new(Self))
    }

    async fn discard(self: Box<Self>) -> Result<(), DisposeError> {
        Ok(())
    }
}

#[async_trait]
impl Sandbox for Nothing {
    async fn wait(&self, _cancel: &CancellationToken) -> Result<SandboxEnd, EngineError> {
        Ok(SandboxEnd::Aborted)
    }

    fn kill(&self) -> Result<(), KillError> {
        Ok(())
    }
}

#[async_trait]
impl ResultSet for Nothing {
    fn success(&self) -> bool {
        true
    }

    fn exit_code(&self) -> Option<i32> {
        Some(0)
    }

    async fn extract_file(&self, _path: &str) -> Result<Arc<dyn Content>, ExtractError> {
        Err(ExtractError::Missing)
    }

    async fn extract_folder(&self, _path: &str) -> Result<Box<dyn FolderWalk>, ExtractError> {
        Err(ExtractError::Missing)
    }

    async fn dispose(&self) -> Result<(), DisposeError> {
        Ok(())
    }
}

/// A run.
pub(super) fn ports() -> RunPorts {
    let now = Utc::now();
    RunPorts {
        task: TaskInfo {
            task_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
            run_id: 0,
            task_group_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
            created: now,
            deadline: now,
            expires: now,
            scopes: Vec::new(),
        },
        definition: Arc::new(Value::Null),
        log: Arc::new(Nothing),
        artifacts: Arc::new(Nothing),
        abort: CancellationToken::new(),
    }
}

/// A worker.
pub(super) fn worker() -> WorkerInfo {
    WorkerInfo {
        root_url: "https://tc.example.com".to_owned(),
        task_queue_id: "bench/bench".to_owned(),
        worker_group: "bench".to_owned(),
        worker_id: "bench".to_owned(),
        engine: "none".to_owned(),
        metadata: Vec::new(),
    }
}

/// A sandbox that has ended as soon as it began.
pub(super) fn sandbox() -> SandboxPhase {
    let ended = CancellationToken::new();
    ended.cancel();
    SandboxPhase {
        sandbox: Phase::new(Arc::new(Nothing) as Arc<dyn Sandbox>),
        ended,
        // Nobody listens: no hook fails.
        first_failure: tokio::sync::mpsc::channel(1).0,
    }
}
