//! A task that runs.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use engine_api::{EngineError, EngineErrorKind, KillError, Sandbox, SandboxEnd};
use tokio_util::sync::CancellationToken;

use crate::{
    holdings::Holdings,
    result_set::{Extraction, NativeResultSet, release},
    task_process::{Outcome, TaskProcess, Wishes},
};

#[derive(Debug)]
pub(crate) struct NativeSandbox {
    /// Taken by `wait`.
    process: Mutex<Option<TaskProcess>>,
    wishes: Wishes,
    holdings: Arc<Holdings>,
    extraction: Extraction,
}

impl NativeSandbox {
    pub(crate) fn new(
        (process, wishes): (TaskProcess, Wishes),
        holdings: Arc<Holdings>,
        extraction: Extraction,
    ) -> Self {
        Self {
            process: Mutex::new(Some(process)),
            wishes,
            holdings,
            extraction,
        }
    }

    /// Releases everything, which ends with an error where something stays.
    async fn released(&self) -> Result<(), EngineError> {
        release(&self.holdings).await.map_err(|error| {
            EngineError::new(EngineErrorKind::Internal, "the sandbox could not be released").caused_by(error)
        })
    }
}

#[async_trait]
impl Sandbox for NativeSandbox {
    async fn wait(&self, cancel: &CancellationToken) -> Result<SandboxEnd, EngineError> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let process = process
            .ok_or_else(|| EngineError::new(EngineErrorKind::Internal, "the sandbox was waited for twice"))?;
        let mut ended = pin!(process.wait());
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                if let Err(error) = self.wishes.abort() {
                    tracing::error!(%error, "could not wake the thread of a task to abort it");
                }
                ended.await
            }
            outcome = &mut ended => outcome,
        };
        match outcome {
            Outcome::Ended { exit_code, success } => {
                let (holdings, extraction) = (Arc::clone(&self.holdings), self.extraction.clone());
                Ok(SandboxEnd::Ended(Arc::new(NativeResultSet::new(
                    success, exit_code, holdings, extraction,
                ))))
            }
            Outcome::Aborted => self.released().await.map(|()| SandboxEnd::Aborted),
            Outcome::Broken(message) => {
                let error = EngineError::new(EngineErrorKind::Internal, message);
                Err(match release(&self.holdings).await {
                    Ok(()) => error,
                    Err(left) => error.caused_by(left),
                })
            }
        }
    }

    fn kill(&self) -> Result<(), KillError> {
        self.wishes.kill().map_err(|error| KillError(error.to_string()))
    }
}

impl Drop for NativeSandbox {
    /// A sandbox that nobody waited for, because its owner broke, must not go on. Its directory stays until the next start.
    fn drop(&mut self) {
        if self
            .process
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
        {
            let _ = self.wishes.abort();
        }
    }
}
