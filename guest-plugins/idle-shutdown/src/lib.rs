//! Stops a worker that has nothing to do: at once, or near the end of a billing cycle, since until then the machine is paid
//! for anyway and may still get a task.
//!
//! It decides in `report-idle`, before a claim: so no task is ever claimed by a worker that has just decided to stop.

use plugin_sdk::{Integer, Plugin, Section, WorkerInfo, WorkerPlugin, WorkerStatus, lifecycle};
use serde::Deserialize;

/// How near the end of a cycle is where the operator does not say, in seconds: some looks of an idle worker.
const DEFAULT_NEAR_END: i64 = 120;

struct IdleShutdown {
    /// In milliseconds, as all durations here.
    after_idle: u64,
    billing: Option<Billing>,
}

/// How the machine is paid for.
#[derive(Clone, Copy)]
struct Billing {
    /// At least 1.
    cycle: u64,
    near_end: u64,
}

/// The operator's part, in seconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    after_idle: Integer,
    billing_cycle: Option<Integer>,
    #[serde(default = "default_near_end")]
    near_end: Integer,
}

fn default_near_end() -> Integer {
    DEFAULT_NEAR_END.into()
}

impl Plugin for IdleShutdown {
    type Config = Config;
    const NAME: &'static str = "idle-shutdown";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Stops the worker when it has nothing to do.";
    const CONFIG_SCHEMA: &'static str = include_str!("config.schema.json");

    fn documentation() -> Vec<Section> {
        vec![Section {
            title: "Workers that have nothing to do".to_owned(),
            content: include_str!("documentation.md").to_owned(),
        }]
    }
}

impl WorkerPlugin for IdleShutdown {
    fn worker_started(_worker: WorkerInfo, config: Config) -> Result<Self, String> {
        Ok(Self::new(&config))
    }

    fn report_idle(&mut self, status: WorkerStatus) {
        if let Some(why) = self.why_stop(&status) {
            lifecycle::worker().stop_gracefully(&why);
        }
    }
}

impl IdleShutdown {
    fn new(config: &Config) -> Self {
        let billing = config.billing_cycle.map(|cycle| Billing {
            cycle: milliseconds(cycle).max(1),
            near_end: milliseconds(config.near_end),
        });
        Self {
            after_idle: milliseconds(config.after_idle),
            billing,
        }
    }

    /// Why an idle worker is to stop, if it is.
    fn why_stop(&self, status: &WorkerStatus) -> Option<String> {
        if status.idle_ms < self.after_idle {
            return None;
        }
        let idle = format!("nothing to do for {} s", status.idle_ms / 1000);
        let Some(Billing { cycle, near_end }) = self.billing else {
            return Some(idle);
        };
        // Where nobody knows when the machine started, the worker is most likely as old as the machine.
        let age = match status.host_uptime_ms {
            0 => status.uptime_ms,
            known => known,
        };
        let left = cycle - age % cycle;
        (left <= near_end).then(|| format!("{idle}, and the billing cycle ends in {} s", left / 1000))
    }
}

fn milliseconds(seconds: Integer) -> u64 {
    u64::try_from(seconds.get())
        .unwrap_or_default()
        .saturating_mul(1000)
}

plugin_sdk::export_worker_plugin!(IdleShutdown);

#[cfg(test)]
mod tests;
