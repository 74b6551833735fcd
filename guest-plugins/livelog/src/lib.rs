//! The task's log as artifacts: one that can be followed while the task runs, and one that stays.
//!
//! From the first hook on, `logs.live` refers to the address at which the worker serves the log. When the log is closed it
//! is uploaded as `logs.backing`, and `logs.live` becomes a link to that. Nobody needs a log more than those whose task did
//! not come far: so an invalid payload gets the default names, and a run that was resolved as an exception has its log
//! stored too, as far as the queue still takes it.

use plugin_sdk::{
    ExceptionReason, HookError, NewTask, NoConfig, Plugin, SandboxBuilder, Section, TaskPlugin,
};
use serde::Deserialize;

mod publish;

use publish::{LogArtifacts, Names, Worker};

struct LiveLog {
    artifacts: LogArtifacts,
    /// What is wrong with the payload that its schema can't tell. It is said as late as this, since a plugin whose
    /// `new-task` failed could not store the log that says it.
    problem: Option<String>,
}

/// The task's part.
#[derive(Debug, Default, Deserialize)]
struct Payload {
    #[serde(default)]
    features: Features,
    #[serde(default)]
    logs: Names,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Features {
    live_log: bool,
    backing_log: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            live_log: true,
            backing_log: true,
        }
    }
}

impl Plugin for LiveLog {
    type Config = NoConfig;
    const NAME: &'static str = "livelog";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Publishes the task's log while it is written, and stores it.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");
    const PAYLOAD_SCHEMA: &'static str = include_str!("payload.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Logs".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl TaskPlugin for LiveLog {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let (artifacts, problem) = read(task.payload.unwrap_or_default());
        artifacts.announce(&Worker, &task.task.deadline);
        Ok(Self { artifacts, problem })
    }

    fn build_sandbox(&mut self, _: &SandboxBuilder) -> Result<(), HookError> {
        match self.problem.take() {
            Some(problem) => Err(HookError::MalformedPayload(problem)),
            None => Ok(()),
        }
    }

    fn finished(&mut self, _: bool) -> Result<(), HookError> {
        Ok(self.artifacts.store(&Worker)?)
    }

    fn exception(&mut self, reason: ExceptionReason) -> Result<(), HookError> {
        self.artifacts.store_if_possible(&Worker, reason);
        Ok(())
    }
}

/// What is to be published, and what is wrong with how it was asked for.
fn read(payload: Payload) -> (LogArtifacts, Option<String>) {
    let Payload { features, logs } = payload;
    let (names, problem) = if logs.live == logs.backing {
        let problem = format!(
            "task.payload.logs.live and task.payload.logs.backing must differ, and both are {}",
            logs.live
        );
        (Names::default(), Some(problem))
    } else {
        (logs, None)
    };
    let artifacts = LogArtifacts::new(
        features.live_log.then_some(names.live),
        features.backing_log.then_some(names.backing),
    );
    (artifacts, problem)
}

plugin_sdk::export_task_plugin!(LiveLog);

#[cfg(test)]
mod tests;
