//! What exit codes mean: some of a failing command's say that the run should be tried again.
//!
//! A command that fails fails its task, whatever this plugin says. Where its exit code is one that the payload names, the
//! failure is chance: the run is resolved as `exception/intermittent-task` instead, and the queue makes another.

use plugin_sdk::{HookError, Integer, NewTask, NoConfig, Plugin, ResultSet, Section, TaskPlugin};
use serde::Deserialize;

struct ExitStatus {
    retry: Vec<Integer>,
}

/// The task's part. `purgeCaches` is not read: there are no caches yet.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    on_exit_status: OnExitStatus,
}

#[derive(Debug, Default, Deserialize)]
struct OnExitStatus {
    #[serde(default)]
    retry: Vec<Integer>,
}

impl Plugin for ExitStatus {
    type Config = NoConfig;
    const NAME: &'static str = "exit-status";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Retries tasks whose command exits with one of the codes that the task names.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");
    const PAYLOAD_SCHEMA: &'static str = include_str!("payload.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Exit codes".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl TaskPlugin for ExitStatus {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let retry = task.payload.unwrap_or_default().on_exit_status.retry;
        Ok(Self { retry })
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        match results.exit_code() {
            Some(code) => judge(&self.retry, code),
            // A signal or a time limit has ended it: no code to judge by.
            None => Ok(true),
        }
    }
}

/// What the exit code of the last command means. Whether it means failure is for the engine to say.
fn judge(retry: &[Integer], code: i32) -> Result<bool, HookError> {
    if retry.iter().any(|listed| listed.get() == i64::from(code)) {
        return Err(HookError::IntermittentTask(format!(
            "the command exited with {code}, which task.payload.onExitStatus.retry lists"
        )));
    }
    Ok(true)
}

plugin_sdk::export_task_plugin!(ExitStatus);

#[cfg(test)]
mod tests;
