//! The time limit of a task: when its commands have taken longer than the payload allows, they are ended and the task fails.
//!
//! The clock runs while the sandbox does, in `started`; what comes before and after (preparing, uploading) does not count.
//! How much a task may ask for is the operator's to say, and is a part of the payload's schema.

use plugin_sdk::{
    Error, HookError, Integer, NewTask, Plugin, ResultSet, Sandbox, Section, TaskPlugin,
    kill::Kill as _,
    log::{self, Level},
};
use serde::Deserialize;

/// The largest `maxRunTime` where the operator says nothing, in seconds: a day.
const DEFAULT_LARGEST: i64 = 86_400;

struct MaxRunTime {
    /// None only where the payload is malformed, and nothing will run.
    limit_ms: Option<u64>,
    time_is_up: bool,
}

/// The operator's part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    /// In seconds.
    #[serde(default = "default_largest")]
    max_run_time: Integer,
}

/// The task's part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// In seconds.
    max_run_time: Integer,
}

fn default_largest() -> Integer {
    DEFAULT_LARGEST.into()
}

impl Plugin for MaxRunTime {
    type Config = Config;
    const NAME: &'static str = "maxruntime";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Ends tasks that run for longer than they may.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");
    const PAYLOAD_SCHEMA: &'static str = include_str!("payload.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Maximum run time".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }

    fn payload_schema(config: &Config) -> Result<String, String> {
        with_largest(Self::PAYLOAD_SCHEMA, config.max_run_time)
            .map_err(|error| format!("the payload schema can't be read: {error}"))
    }
}

impl TaskPlugin for MaxRunTime {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self {
            limit_ms: task.payload.map(|payload| milliseconds(payload.max_run_time)),
            time_is_up: false,
        })
    }

    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        let Some(limit) = self.limit_ms else {
            // Better no run than one without a limit.
            return Err(HookError::Internal(
                "a task without maxRunTime was started".to_owned(),
            ));
        };
        self.time_is_up = end_in_time(limit, |limit| sandbox.wait(Some(limit)), || sandbox.kill())?;
        if self.time_is_up {
            log::task(Level::Error, "task aborted - max run time exceeded");
        }
        Ok(())
    }

    fn stopped(&mut self, _: &ResultSet) -> Result<bool, HookError> {
        Ok(!self.time_is_up)
    }
}

/// The payload schema, with what the operator allows.
fn with_largest(schema: &str, largest: Integer) -> serde_json::Result<String> {
    let mut schema: serde_json::Value = serde_json::from_str(schema)?;
    if let Some(property) = schema
        .pointer_mut("/properties/maxRunTime")
        .and_then(|it| it.as_object_mut())
    {
        property.insert("maximum".to_owned(), largest.get().into());
    }
    Ok(schema.to_string())
}

fn milliseconds(seconds: Integer) -> u64 {
    u64::try_from(seconds.get())
        .unwrap_or_default()
        .saturating_mul(1000)
}

/// Waits for the sandbox to end, and ends it once `limit` milliseconds have passed. Answers whether it did.
///
/// # Errors
/// When it can't be ended: the run must not go on, so the caller is to fail.
fn end_in_time(
    limit: u64,
    wait: impl FnOnce(u64) -> bool,
    kill: impl FnOnce() -> Result<(), Error>,
) -> Result<bool, HookError> {
    if wait(limit) {
        return Ok(false);
    }
    match kill() {
        Ok(()) => Ok(true),
        // It has just ended by itself, or the run was aborted: there is nothing left to end.
        Err(Error::Closed | Error::Cancelled) => Ok(false),
        Err(error) => Err(HookError::Internal(format!(
            "the task has exceeded its maxRunTime and can't be killed: {}",
            error.message()
        ))),
    }
}

plugin_sdk::export_task_plugin!(MaxRunTime);

#[cfg(test)]
mod tests;
