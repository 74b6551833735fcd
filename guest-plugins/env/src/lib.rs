//! The variables of a task's environment: those that tell it who it is, those of the operator, and its own.
//!
//! Where a name is in several, the worker's own wins over the payload's, as in generic-worker: a task can't pass for
//! another. The operator's `extra` gives defaults that a payload may replace.

use std::collections::{BTreeMap, BTreeSet};

use plugin_sdk::{
    Error, HookError, NewTask, Plugin, SandboxBuilder, Section, TaskInfo, TaskPlugin, WorkerInfo,
    environment::SetVariable as _,
};
use serde::Deserialize;

struct Env {
    variables: BTreeMap<String, String>,
    /// The names that the task itself sets.
    own: BTreeSet<String>,
}

/// The operator's part.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    extra: BTreeMap<String, String>,
}

/// The task's part.
#[derive(Debug, Default, Deserialize)]
struct Payload {
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl Plugin for Env {
    type Config = Config;
    const NAME: &'static str = "env";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Sets the environment variables of the task.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");
    const PAYLOAD_SCHEMA: &'static str = include_str!("payload.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Environment variables".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl TaskPlugin for Env {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let own = task.payload.unwrap_or_default().env;
        Ok(Self {
            own: own.keys().cloned().collect(),
            variables: merge(task.config.extra, own, of_worker(&task.task, &task.worker)),
        })
    }

    fn build_sandbox(&mut self, builder: &SandboxBuilder) -> Result<(), HookError> {
        for (name, value) in &self.variables {
            builder.set_variable(name, value).map_err(|error| match error {
                // What an operator lets no task set is the task's to leave out.
                Error::Denied(why) if self.own.contains(name) => HookError::MalformedPayload(why),
                error => error.into(),
            })?;
        }
        Ok(())
    }
}

/// What the worker tells every task.
fn of_worker(task: &TaskInfo, worker: &WorkerInfo) -> BTreeMap<String, String> {
    let metadata = |key: &str| {
        worker
            .metadata
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    let mut variables = BTreeMap::from([
        ("TASK_ID".to_owned(), task.task_id.clone()),
        ("RUN_ID".to_owned(), task.run_id.to_string()),
        ("TASK_GROUP_ID".to_owned(), task.task_group_id.clone()),
        ("TASKCLUSTER_ROOT_URL".to_owned(), worker.root_url.clone()),
    ]);
    let optional = [
        ("TASKCLUSTER_WORKER_LOCATION", "location"),
        ("TASKCLUSTER_INSTANCE_TYPE", "instanceType"),
    ];
    for (name, key) in optional {
        if let Some(value) = metadata(key) {
            variables.insert(name.to_owned(), value);
        }
    }
    variables
}

/// All variables; later maps win.
fn merge(
    extra: BTreeMap<String, String>,
    own: BTreeMap<String, String>,
    worker: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = extra;
    all.extend(own);
    all.extend(worker);
    all
}

plugin_sdk::export_task_plugin!(Env);

#[cfg(test)]
mod tests;
