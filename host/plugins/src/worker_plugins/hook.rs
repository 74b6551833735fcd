//! The hooks of `worker-hooks`, and how one is called.

use std::sync::Arc;

use crate::{
    answer::WorkerStatus, bindings::latest::taskcluster::plugin::types::WorkerInfo, contract::WorkerExport,
    instance::AsyncHook, prepared::Live,
};

/// One hook.
#[derive(Clone, Debug)]
pub(super) enum Hook {
    Started { worker: WorkerInfo, config: String },
    Idle(WorkerStatus),
    Progress(WorkerStatus),
    NonFatalError(Arc<str>),
}

/// A hook, and where it is in the component.
pub(super) struct Call {
    pub(super) hook: Hook,
    pub(super) indices: Arc<dyn WorkerExport>,
}

impl Hook {
    /// Its name in the contract.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "worker-started",
            Self::Idle(_) => "report-idle",
            Self::Progress(_) => "report-progress",
            Self::NonFatalError(_) => "report-non-fatal-error",
        }
    }
}

impl AsyncHook<Result<(), String>> for Call {
    fn name(&self) -> &'static str {
        self.hook.name()
    }

    async fn call(self, live: &mut Live) -> wasmtime::Result<Result<(), String>> {
        // The instance serves for as long as the worker does, and must not fall silent after a few days.
        live.store.data_mut().renew_log_budgets();
        match self.hook {
            Hook::Started { worker, config } => {
                return self.indices.worker_started(live, worker, config).await;
            }
            Hook::Idle(status) => self.indices.report_idle(live, status).await?,
            Hook::Progress(status) => self.indices.report_progress(live, status).await?,
            Hook::NonFatalError(message) => self.indices.report_non_fatal_error(live, &message).await?,
        }
        Ok(Ok(()))
    }
}
