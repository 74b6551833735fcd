//! A plugin of the worker's that has trouble when its config says so: `{when: TEXT, how: HOW}`. In each hook it says what it
//! hears, as in `troubled edition 1: report-progress (running: 0, resolved: 3)`; the other hooks are `worker-started`,
//! `report-idle (…)` and `report-non-fatal-error (MESSAGE)`. In a hook whose line contains TEXT it then does as HOW says:
//!
//! | how | |
//! |---|---|
//! | `trap` | ends itself |
//! | `sleep` | sleeps for ten hours: `hookMs` |
//! | `refuse` | answers `worker-started` with an error |
//!
//! A test that needs another version of it changes the digit in its file.

use std::time::Duration;

use plugin_sdk::{
    Plugin, WorkerInfo, WorkerPlugin, WorkerStatus,
    log::{self, Level},
};
use serde::Deserialize;

struct Troubled(Config);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Trap,
    Sleep,
    Refuse,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    when: String,
    how: How,
}

impl Plugin for Troubled {
    type Config = Config;
    const NAME: &'static str = "troubled";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Has trouble when it is told to.";
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["when", "how"],
        "properties": {"when": {"type": "string"}, "how": {"enum": ["trap", "sleep", "refuse"]}}
    }"#;
}

impl WorkerPlugin for Troubled {
    fn worker_started(_worker: WorkerInfo, config: Config) -> Result<Self, String> {
        let this = Self(config);
        match this.hear("worker-started") {
            Some(How::Refuse) => {
                Err("it does not want to\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J".to_owned())
            }
            Some(How::Trap | How::Sleep) | None => Ok(this),
        }
    }

    fn report_idle(&mut self, status: WorkerStatus) {
        self.hear(&format!("report-idle ({})", counts(&status)));
    }

    fn report_progress(&mut self, status: WorkerStatus) {
        self.hear(&format!("report-progress ({})", counts(&status)));
    }

    fn report_non_fatal_error(&mut self, message: String) {
        self.hear(&format!("report-non-fatal-error ({message})"));
    }
}

impl Troubled {
    /// Says what it hears. Answers what is to be done, unless it has been done.
    fn hear(&self, what: &str) -> Option<How> {
        let line = format!("troubled edition 1: {what}");
        log::worker(Level::Info, &line);
        let how = line.contains(&self.0.when).then_some(self.0.how);
        match how {
            Some(How::Trap) => std::process::abort(),
            Some(How::Sleep) => std::thread::sleep(Duration::from_secs(36_000)),
            Some(How::Refuse) | None => {}
        }
        how
    }
}

fn counts(status: &WorkerStatus) -> String {
    format!("running: {}, resolved: {}", status.running, status.resolved)
}

plugin_sdk::export_worker_plugin!(Troubled);
