//! Files of the task, published: what the payload lists is uploaded when the sandbox has ended.
//!
//! What is wrong with the list as such is found before the task runs. What can't be published gets an error artifact in its
//! place and fails the task, and everything else is published all the same. All of that is decided in `publish`; bytes
//! never come here, only the host's handles on them.

use plugin_sdk::{HookError, NewTask, Plugin, ResultSet, Section, TaskPlugin};
use serde::Deserialize;

mod host;
mod media;
mod name;
mod payload;
mod publish;
mod table;

use host::Worker;
use payload::{Bounds, Payload, Time, Wanted};
use publish::Publisher;

struct Artifacts {
    wanted: Vec<Wanted>,
    reserved: Vec<String>,
    task_expires: String,
}

/// The operator's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "names_of_logs")]
    reserved: Vec<String>,
}

/// What the plugin `livelog` publishes where tasks do not say otherwise.
fn names_of_logs() -> Vec<String> {
    ["public/logs/live.log", "public/logs/live_backing.log"]
        .map(str::to_owned)
        .into()
}

impl Plugin for Artifacts {
    type Config = Config;
    const NAME: &'static str = "artifacts";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Publishes files and directories of the task as artifacts.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");
    const PAYLOAD_SCHEMA: &'static str = include_str!("payload.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Artifacts".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl TaskPlugin for Artifacts {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let time = |text: &str| {
            Time::parse(text.to_owned())
                .map_err(|_| HookError::Internal(format!("{text} is no time by RFC 3339")))
        };
        let bounds = Bounds {
            deadline: time(&task.task.deadline)?,
            expires: time(&task.task.expires)?,
        };
        let list = task.payload.unwrap_or_default().artifacts;
        Ok(Self {
            wanted: payload::read(list, &bounds).map_err(HookError::MalformedPayload)?,
            reserved: task.config.reserved,
            task_expires: task.task.expires,
        })
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        Publisher::new(&Worker { results }, &self.reserved, &self.task_expires).publish(&self.wanted)
    }
}

plugin_sdk::export_task_plugin!(Artifacts);

#[cfg(test)]
mod tests;
