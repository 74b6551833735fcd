//! What an author implements.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    ExceptionReason, HookError, ResultSet, Sandbox, SandboxBuilder, Section, TaskInfo, WorkerInfo,
    WorkerStatus,
};

/// What every plugin says of itself. These are pure: the host asks once, when it loads the plugin.
pub trait Plugin {
    /// The operator's `plugins.<name>.config`, valid by [`CONFIG_SCHEMA`](Self::CONFIG_SCHEMA).
    type Config: DeserializeOwned;

    /// What operators call it by: lower case letters, digits and hyphens.
    const NAME: &'static str;
    /// Usually `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    /// One sentence.
    const SUMMARY: &'static str;
    /// JSON schema of [`Config`](Self::Config).
    const CONFIG_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;
    /// JSON schema of the properties of `task.payload` that this plugin reads: an object with `properties`, perhaps
    /// `required`, and no `additionalProperties` (other plugins own other properties of the same object).
    const PAYLOAD_SCHEMA: &'static str = r#"{"type": "object", "properties": {}}"#;

    /// For the authors of tasks, in Markdown.
    #[must_use]
    fn documentation() -> Vec<Section> {
        Vec::new()
    }

    /// The payload schema, where it depends on the config.
    ///
    /// # Errors
    /// When the config asks for what the plugin can't do; the operator sees the text.
    fn payload_schema(config: &Self::Config) -> Result<String, String> {
        let _ = config;
        Ok(Self::PAYLOAD_SCHEMA.to_owned())
    }
}

/// A run begins.
pub struct NewTask<P: TaskPlugin> {
    /// The run that this instance serves.
    pub task: TaskInfo,
    /// The worker that it runs on.
    pub worker: WorkerInfo,
    /// The operator's config.
    pub config: P::Config,
    /// This plugin's own properties of the payload; none: they are not valid, and the run will end as malformed-payload,
    /// of which there is still a log to write.
    pub payload: Option<P::Payload>,
}

impl<P: TaskPlugin> std::fmt::Debug for NewTask<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTask")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

/// A plugin that takes part in tasks. One value serves one run: it is the state of the plugin from hook to hook. After an
/// error from a hook only [`exception`](Self::exception) is called.
pub trait TaskPlugin: Plugin + Sized {
    /// This plugin's own properties of `task.payload`.
    type Payload: DeserializeOwned;

    /// A run begins, while the engine prepares.
    ///
    /// # Errors
    /// The case decides how the run is resolved, as for every hook.
    fn new_task(task: NewTask<Self>) -> Result<Self, HookError>;

    /// The sandbox is being built.
    ///
    /// # Errors
    /// As of [`new_task`](Self::new_task).
    fn build_sandbox(&mut self, builder: &SandboxBuilder) -> Result<(), HookError> {
        let _ = builder;
        Ok(())
    }

    /// The sandbox runs. May stay for as long as it does, in [`Sandbox::wait`].
    ///
    /// # Errors
    /// As of [`new_task`](Self::new_task); the sandbox is aborted.
    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        let _ = sandbox;
        Ok(())
    }

    /// The sandbox has ended. False fails the task.
    ///
    /// # Errors
    /// As of [`new_task`](Self::new_task).
    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        let _ = results;
        Ok(true)
    }

    /// The log is closed; the run is about to be resolved completed or failed.
    ///
    /// # Errors
    /// Replaces the resolution by an exception.
    fn finished(&mut self, success: bool) -> Result<(), HookError> {
        let _ = success;
        Ok(())
    }

    /// The run was resolved as an exception. The log is closed.
    ///
    /// # Errors
    /// Are only logged: the resolution stands.
    fn exception(&mut self, reason: ExceptionReason) -> Result<(), HookError> {
        let _ = reason;
        Ok(())
    }
}

/// A plugin that takes part in the worker's life. One value serves the worker, until it traps or exceeds a limit: then there is
/// a new one, which knows nothing of what was before.
pub trait WorkerPlugin: Plugin + Sized {
    /// The worker starts.
    ///
    /// # Errors
    /// The plugin does not serve, and a worker whose config requires it does not start; the operator sees the text.
    fn worker_started(worker: WorkerInfo, config: Self::Config) -> Result<Self, String>;

    /// Before each claim while no task runs. The claim waits for it, but not for long.
    fn report_idle(&mut self, status: WorkerStatus) {
        let _ = status;
    }

    /// After each run, and every `worker.tick` (10 s).
    fn report_progress(&mut self, status: WorkerStatus) {
        let _ = status;
    }

    /// Something went wrong that did not stop the worker.
    fn report_non_fatal_error(&mut self, message: String) {
        let _ = message;
    }
}

/// The config of a plugin that has none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// The payload of a plugin that reads none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct NoPayload {}
