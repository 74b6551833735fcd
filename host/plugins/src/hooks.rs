//! The hooks of `task-hooks`, each as a call of one export.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    answer::{ExceptionReason, HookErrorKind},
    bindings::latest::taskcluster::plugin::types::{self, Error, HookError},
    contract::{Answer, TaskExport, TaskHooks},
    handles::{BuilderHandle, ResultsHandle, SandboxHandle},
    instance::AsyncHook,
    ports::{TaskInfo, WorkerInfo},
    prepared::Live,
};

/// The longest error of a plugin, in bytes.
const MAX_ERROR: usize = 4 << 10;

/// One hook of `task-hooks`. All answer whether the task may still succeed, though only `stopped` can say no.
pub(crate) trait TaskHook: Send + 'static {
    /// The export's name.
    const NAME: &'static str;

    /// Calls the export.
    fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> impl Future<Output = Answer<bool>> + Send;
}

/// A hook of an instance that serves a run, with the uploads that it leaves to be settled.
pub(crate) struct InTask<H> {
    pub(crate) hook: H,
    pub(crate) indices: Arc<dyn TaskExport>,
    /// Fires when this hook's host functions are to answer `cancelled`.
    pub(crate) cancel: CancellationToken,
}

/// The names and errors of uploads that failed and that the plugin did not ask for.
pub(crate) type Unheard = Vec<(String, Error)>;

impl<H: TaskHook> AsyncHook<(Result<bool, HookError>, Unheard)> for InTask<H> {
    fn name(&self) -> &'static str {
        H::NAME
    }

    async fn call(self, live: &mut Live) -> wasmtime::Result<(Result<bool, HookError>, Unheard)> {
        if let Some(run) = &mut live.store.data_mut().run {
            run.cancel = self.cancel;
        }
        let guest = match &live.task {
            Some(guest) => guest.clone(),
            None => {
                let guest = self.indices.of(live)?;
                live.task.insert(guest).clone()
            }
        };
        let answer = self.hook.call(guest, live).await?;
        let state = live.store.data_mut();
        let mut unheard = Vec::new();
        if let Some(run) = &mut state.run
            && !run.uploads.is_empty()
        {
            let _clock_stands_still = state.clock.hold();
            unheard = run.uploads.settle().await;
        }
        Ok((answer, unheard))
    }
}

/// `new-task`.
pub(crate) struct NewTask {
    pub(crate) task: types::TaskInfo,
    pub(crate) worker: types::WorkerInfo,
    pub(crate) config: String,
    pub(crate) payload: Option<String>,
}

impl TaskHook for NewTask {
    const NAME: &'static str = "new-task";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        let answer = guest.new_task(&mut live.store, self).await?;
        Ok(answer.map(|()| true))
    }
}

/// `build-sandbox`.
pub(crate) struct BuildSandbox(pub(crate) BuilderHandle);

impl TaskHook for BuildSandbox {
    const NAME: &'static str = "build-sandbox";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        let answer = guest.build_sandbox(&mut live.store, self.0).await?;
        Ok(answer.map(|()| true))
    }
}

/// `started`.
pub(crate) struct Started(pub(crate) SandboxHandle);

impl TaskHook for Started {
    const NAME: &'static str = "started";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        let answer = guest.started(&mut live.store, self.0).await?;
        Ok(answer.map(|()| true))
    }
}

/// `stopped`.
pub(crate) struct Stopped(pub(crate) ResultsHandle);

impl TaskHook for Stopped {
    const NAME: &'static str = "stopped";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        guest.stopped(&mut live.store, self.0).await
    }
}

/// `finished`.
pub(crate) struct Finished(pub(crate) bool);

impl TaskHook for Finished {
    const NAME: &'static str = "finished";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        let answer = guest.finished(&mut live.store, self.0).await?;
        Ok(answer.map(|()| true))
    }
}

/// `exception`.
pub(crate) struct Exception(pub(crate) ExceptionReason);

impl TaskHook for Exception {
    const NAME: &'static str = "exception";

    async fn call(self, guest: Arc<dyn TaskHooks>, live: &mut Live) -> Answer<bool> {
        let reason = match self.0 {
            ExceptionReason::MalformedPayload => types::ExceptionReason::MalformedPayload,
            ExceptionReason::WorkerShutdown => types::ExceptionReason::WorkerShutdown,
            ExceptionReason::Canceled => types::ExceptionReason::Canceled,
            ExceptionReason::ClaimLost => types::ExceptionReason::ClaimLost,
            ExceptionReason::DeadlineExceeded => types::ExceptionReason::DeadlineExceeded,
            ExceptionReason::ResourceUnavailable => types::ExceptionReason::ResourceUnavailable,
            ExceptionReason::IntermittentTask => types::ExceptionReason::IntermittentTask,
            ExceptionReason::InternalError => types::ExceptionReason::InternalError,
        };
        let answer = guest.exception(&mut live.store, reason).await?;
        Ok(answer.map(|()| true))
    }
}

/// The run as the contract has it.
pub(crate) fn task_info(task: &TaskInfo) -> types::TaskInfo {
    let time =
        |time: &chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    types::TaskInfo {
        task_id: task.task_id.clone(),
        run_id: task.run_id,
        task_group_id: task.task_group_id.clone(),
        created: time(&task.created),
        deadline: time(&task.deadline),
        expires: time(&task.expires),
        scopes: task.scopes.clone(),
    }
}

/// The worker as the contract has it.
pub(crate) fn worker_info(worker: &WorkerInfo) -> types::WorkerInfo {
    types::WorkerInfo {
        root_url: worker.root_url.clone(),
        task_queue_id: worker.task_queue_id.clone(),
        worker_group: worker.worker_group.clone(),
        worker_id: worker.worker_id.clone(),
        engine: worker.engine.clone(),
        metadata: worker.metadata.clone(),
    }
}

/// What a hook's error means. Only a plugin that may stop the worker can blame it.
pub(crate) fn failure(error: HookError, may_stop_the_worker: bool) -> (HookErrorKind, String) {
    let (kind, message) = match error {
        HookError::MalformedPayload(message) => (HookErrorKind::MalformedPayload, message),
        HookError::ResourceUnavailable(message) => (HookErrorKind::ResourceUnavailable, message),
        HookError::IntermittentTask(message) => (HookErrorKind::IntermittentTask, message),
        HookError::Internal(message) => (HookErrorKind::Internal, message),
        HookError::Fatal(message) if may_stop_the_worker => (HookErrorKind::Fatal, message),
        HookError::Fatal(message) => (HookErrorKind::Internal, message),
    };
    (kind, cut_error(message))
}

/// An error is read by people and kept in logs: enough is enough.
pub(crate) fn cut_error(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_ERROR));
    message
}
