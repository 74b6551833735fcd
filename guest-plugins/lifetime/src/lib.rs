//! Ends a worker after so many tasks or so much time, so that a pool renews its machines.
//!
//! Nothing is interrupted: the worker claims no more tasks, and ends with those that it runs.

use plugin_sdk::{Integer, Plugin, Section, WorkerInfo, WorkerPlugin, WorkerStatus, lifecycle};
use serde::Deserialize;

struct Lifetime(Config);

/// The operator's part. One of the two is there at least.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    tasks: Option<Integer>,
    /// In seconds.
    uptime: Option<Integer>,
}

impl Plugin for Lifetime {
    type Config = Config;
    const NAME: &'static str = "lifetime";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Stops the worker gracefully after so many tasks or so much time.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "How long workers live".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl WorkerPlugin for Lifetime {
    fn worker_started(_worker: WorkerInfo, config: Config) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn report_idle(&mut self, status: WorkerStatus) {
        self.judge(&status);
    }

    fn report_progress(&mut self, status: WorkerStatus) {
        self.judge(&status);
    }
}

impl Lifetime {
    fn judge(&self, status: &WorkerStatus) {
        if let Some(why) = why_stop(&self.0, status) {
            lifecycle::worker().stop_gracefully(&why);
        }
    }
}

/// Why a worker is to stop, if it is.
fn why_stop(config: &Config, status: &WorkerStatus) -> Option<String> {
    let tasks = config.tasks.map(unsigned);
    if tasks.is_some_and(|tasks| status.resolved >= tasks) {
        return Some(format!("{} tasks are done", status.resolved));
    }
    let uptime = config.uptime.map(unsigned)?;
    (status.uptime_ms / 1000 >= uptime).then(|| format!("it has been up for {} s", status.uptime_ms / 1000))
}

fn unsigned(number: Integer) -> u64 {
    u64::try_from(number.get()).unwrap_or_default()
}

plugin_sdk::export_worker_plugin!(Lifetime);

#[cfg(test)]
mod tests;
