//! Writes a line in each hook, so that tests see which hooks were called: `recorder: HOOK`, with what the hook was told
//! behind it, as in `recorder: finished (success: true) of TASKID/0`. Hooks of the worker are `recorder: worker-started`,
//! `recorder: report-idle`, `recorder: report-progress (running: 1, resolved: 3)` and
//! `recorder: report-non-fatal-error (MESSAGE)`. The scopes that a task has are `recorder: scopes: [SCOPE, SCOPE]`.

use plugin_sdk::{
    ExceptionReason, HookError, NewTask, NoConfig, NoPayload, Plugin, ResultSet, Sandbox, SandboxBuilder,
    TaskPlugin, WorkerInfo, WorkerPlugin, WorkerStatus,
};
use test_plugins::say;

struct Recorder {
    /// The run that it serves; empty: the worker.
    run: String,
}

impl Recorder {
    fn record(&self, hook: &str) {
        say(&format!("recorder: {hook} of {}", self.run));
    }
}

impl Plugin for Recorder {
    type Config = NoConfig;
    const NAME: &'static str = "recorder";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Writes a line in each hook.";
}

impl TaskPlugin for Recorder {
    type Payload = NoPayload;

    fn new_task(new: NewTask<Self>) -> Result<Self, HookError> {
        let recorder = Self {
            run: format!("{}/{}", new.task.task_id, new.task.run_id),
        };
        recorder.record(match new.payload {
            Some(NoPayload {}) => "new-task (valid payload)",
            None => "new-task (invalid payload)",
        });
        say(&format!("recorder: scopes: [{}]", new.task.scopes.join(", ")));
        Ok(recorder)
    }

    fn build_sandbox(&mut self, _builder: &SandboxBuilder) -> Result<(), HookError> {
        self.record("build-sandbox");
        Ok(())
    }

    fn started(&mut self, _sandbox: &Sandbox) -> Result<(), HookError> {
        self.record("started");
        Ok(())
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        let (success, exit_code) = (results.success(), results.exit_code());
        self.record(&format!("stopped (success: {success}, exit code: {exit_code:?})"));
        Ok(true)
    }

    fn finished(&mut self, success: bool) -> Result<(), HookError> {
        self.record(&format!("finished (success: {success})"));
        Ok(())
    }

    fn exception(&mut self, reason: ExceptionReason) -> Result<(), HookError> {
        self.record(&format!("exception ({})", name(reason)));
        Ok(())
    }
}

impl WorkerPlugin for Recorder {
    fn worker_started(_worker: WorkerInfo, _config: NoConfig) -> Result<Self, String> {
        say("recorder: worker-started");
        Ok(Self { run: String::new() })
    }

    fn report_idle(&mut self, _status: WorkerStatus) {
        say("recorder: report-idle");
    }

    fn report_progress(&mut self, status: WorkerStatus) {
        let WorkerStatus {
            running, resolved, ..
        } = status;
        say(&format!(
            "recorder: report-progress (running: {running}, resolved: {resolved})"
        ));
    }

    fn report_non_fatal_error(&mut self, message: String) {
        say(&format!("recorder: report-non-fatal-error ({message})"));
    }
}

/// In Taskcluster's words.
fn name(reason: ExceptionReason) -> &'static str {
    match reason {
        ExceptionReason::MalformedPayload => "malformed-payload",
        ExceptionReason::WorkerShutdown => "worker-shutdown",
        ExceptionReason::Canceled => "canceled",
        ExceptionReason::ClaimLost => "claim-lost",
        ExceptionReason::DeadlineExceeded => "deadline-exceeded",
        ExceptionReason::ResourceUnavailable => "resource-unavailable",
        ExceptionReason::IntermittentTask => "intermittent-task",
        ExceptionReason::InternalError => "internal-error",
        ExceptionReason::Other => "other",
    }
}

plugin_sdk::export_task_and_worker_plugin!(Recorder);
