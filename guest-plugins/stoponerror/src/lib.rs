//! Stops a worker that has trouble: after so many non-fatal errors it claims nothing more, and ends with its running tasks.
//!
//! What is wrong with a machine is seldom mended by going on. The pool's next worker begins afresh.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plugin_sdk::{Integer, Plugin, Section, WorkerInfo, WorkerPlugin, lifecycle};
use serde::Deserialize;

/// How much of an error's message is told when the worker stops, in bytes. The worker's own log has all of it.
const MAX_MESSAGE: usize = 512;

struct StopOnError {
    /// At least 1.
    too_many: usize,
    /// None: an error counts for ever.
    within: Option<Duration>,
    /// When there were the errors that count.
    recent: VecDeque<Instant>,
}

/// The operator's part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    #[serde(default = "one")]
    errors: Integer,
    within_seconds: Option<Integer>,
}

fn one() -> Integer {
    1.into()
}

impl Plugin for StopOnError {
    type Config = Config;
    const NAME: &'static str = "stoponerror";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Stops the worker gracefully after errors of its own.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Workers that have trouble".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl WorkerPlugin for StopOnError {
    fn worker_started(_worker: WorkerInfo, config: Config) -> Result<Self, String> {
        Ok(Self::new(&config))
    }

    fn report_non_fatal_error(&mut self, message: String) {
        if let Some(why) = self.count(Instant::now(), &message) {
            lifecycle::worker().stop_gracefully(&why);
        }
    }
}

impl StopOnError {
    fn new(config: &Config) -> Self {
        Self {
            too_many: usize::try_from(config.errors.get()).unwrap_or(1),
            within: config
                .within_seconds
                .and_then(|seconds| u64::try_from(seconds.get()).ok())
                .map(Duration::from_secs),
            recent: VecDeque::new(),
        }
    }

    /// Counts an error. Answers why the worker is to stop, once there are too many.
    fn count(&mut self, now: Instant, message: &str) -> Option<String> {
        if let Some(within) = self.within {
            self.recent
                .retain(|then| now.saturating_duration_since(*then) <= within);
        }
        // Those before the last `too_many` decide nothing.
        if self.recent.len() >= self.too_many {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() < self.too_many {
            return None;
        }
        let errors = match self.too_many {
            1 => "an error".to_owned(),
            many => format!("{many} errors"),
        };
        let time = self
            .within
            .map(|within| format!(" within {} s", within.as_secs()))
            .unwrap_or_default();
        Some(format!("{errors}{time}, at last: {}", beginning(message)))
    }
}

/// As much of a message as is told.
fn beginning(message: &str) -> &str {
    let end = (0..=MAX_MESSAGE.min(message.len()))
        .rev()
        .find(|end| message.is_char_boundary(*end));
    end.and_then(|end| message.get(..end)).unwrap_or_default()
}

plugin_sdk::export_worker_plugin!(StopOnError);

#[cfg(test)]
mod tests;
