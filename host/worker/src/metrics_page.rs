//! The page that monitoring reads: the worker's own counts and the statistics of its plugins, in Prometheus' text format.
//!
//! - `exposition` writes the format.

mod exposition;

use std::sync::Arc;

use plugin_host::{
    HookStatistics, PluginHost, PluginIdentity, PluginStanding, PluginStatistics, ports::WorkerInfo,
};
use services::Page;

use crate::counts::Counts;
use exposition::{Exposition, Kind};

/// The page of a worker.
pub(crate) fn page(counts: Counts, worker: &WorkerInfo, plugins: Arc<PluginHost>) -> Page {
    let worker = worker.clone();
    let text = move || {
        render(&Reading {
            counts: &counts,
            worker: &worker,
            statistics: &plugins.statistics(),
            standings: &plugins.standings(),
        })
    };
    Page {
        path: "/metrics",
        content_type: exposition::CONTENT_TYPE,
        text: Arc::new(text),
    }
}

/// What the page says, at one moment.
#[derive(Debug)]
struct Reading<'a> {
    counts: &'a Counts,
    worker: &'a WorkerInfo,
    statistics: &'a [PluginStatistics],
    standings: &'a [PluginStanding],
}

fn render(reading: &Reading<'_>) -> String {
    let mut out = Exposition::default();
    worker(&mut out, reading);
    runs(&mut out, reading.counts);
    standings(&mut out, reading.standings);
    hooks(&mut out, reading.statistics);
    out.finish()
}

fn worker(out: &mut Exposition, reading: &Reading<'_>) {
    let WorkerInfo {
        task_queue_id,
        worker_group,
        worker_id,
        engine,
        ..
    } = reading.worker;
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("task_queue_id", task_queue_id),
        ("worker_group", worker_group),
        ("worker_id", worker_id),
        ("engine", engine),
    ];
    out.family("info", Kind::Gauge, "The worker. Always 1.");
    out.sample(&labels, 1.0);
    let uptime = reading.counts.began().elapsed().as_secs_f64();
    out.family(
        "uptime_seconds",
        Kind::Gauge,
        "How long the worker has been at work.",
    );
    out.sample(&[], uptime);
}

fn runs(out: &mut Exposition, counts: &Counts) {
    let singles = [
        (
            "claims_total",
            Kind::Counter,
            "Runs that the queue has granted.",
            counts.claims(),
        ),
        (
            "failed_claims_total",
            Kind::Counter,
            "Calls of claimWork that were refused or not answered.",
            counts.failed_claims(),
        ),
        (
            "lost_claims_total",
            Kind::Counter,
            "Calls of claimWork whose answers were lost, so that they may have granted tasks that nobody runs.",
            counts.lost_claims(),
        ),
        (
            "failed_reclaims_total",
            Kind::Counter,
            "Calls of reclaimTask that failed.",
            counts.failed_reclaims(),
        ),
        (
            "running",
            Kind::Gauge,
            "Runs that are not over.",
            counts.running(),
        ),
        (
            "capacity",
            Kind::Gauge,
            "How many runs there may be at a time.",
            counts.capacity(),
        ),
        (
            "lacking_plugins",
            Kind::Gauge,
            "Plugins that the config requires and that are not in service. While there are any, nothing is claimed.",
            counts.lacking_plugins(),
        ),
    ];
    for (name, kind, help, count) in singles {
        out.family(name, kind, help);
        out.sample(&[], count.get() as f64);
    }
    out.family("runs_total", Kind::Counter, "Runs that are over, by resolution.");
    for (resolution, number) in counts.runs() {
        out.sample(&[("resolution", &resolution)], number as f64);
    }
}

fn standings(out: &mut Exposition, standings: &[PluginStanding]) {
    let families = [
        (
            "plugin_in_service",
            "Whether new runs use this version of a plugin.",
            (|standing| f64::from(u8::from(standing.in_service))) as fn(&PluginStanding) -> f64,
        ),
        (
            "plugin_quarantined",
            "Whether this version of a plugin is kept out of new runs, because it has broken too often.",
            |standing| f64::from(u8::from(standing.quarantined)),
        ),
        (
            "plugin_faults",
            "How often this version of a plugin has broken within plugins.faultWindow.",
            |standing| standing.faults as f64,
        ),
    ];
    for (name, help, value) in families {
        out.family(name, Kind::Gauge, help);
        for standing in standings {
            out.sample(&labels(&standing.plugin), value(standing));
        }
    }
}

fn hooks(out: &mut Exposition, statistics: &[PluginStatistics]) {
    let seconds = |micros: u64| micros as f64 / 1e6;
    type Value<'a> = &'a dyn Fn(&HookStatistics) -> f64;
    let families: [(&str, Kind, &str, Value<'_>); 8] = [
        (
            "plugin_hook_calls_total",
            Kind::Counter,
            "Calls of a hook that have ended.",
            &|hook| hook.calls as f64,
        ),
        (
            "plugin_hook_seconds_total",
            Kind::Counter,
            "The time that they took, without what they waited for the sandbox and for uploads.",
            &|hook| seconds(hook.total_us),
        ),
        (
            "plugin_hook_longest_seconds",
            Kind::Gauge,
            "The time that the longest of them took.",
            &|hook| seconds(hook.max_us),
        ),
        (
            "plugin_hook_cpu_seconds_total",
            Kind::Counter,
            "The time that the guest computed in them.",
            &|hook| seconds(hook.cpu_us),
        ),
        (
            "plugin_hook_traps_total",
            Kind::Counter,
            "Calls that ended in a trap.",
            &|hook| hook.traps as f64,
        ),
        (
            "plugin_hook_exceeded_limits_total",
            Kind::Counter,
            "Calls that exceeded a limit.",
            &|hook| hook.exceeded_limits as f64,
        ),
        (
            "plugin_hook_timeouts_total",
            Kind::Counter,
            "Calls that did not return in time.",
            &|hook| hook.time_outs as f64,
        ),
        (
            "plugin_hook_refused_calls_total",
            Kind::Counter,
            "Calls of the host in them that were answered with denied or limit.",
            &|hook| hook.refused_calls as f64,
        ),
    ];
    for (name, kind, help, value) in families {
        out.family(name, kind, help);
        for PluginStatistics { plugin, hooks } in statistics {
            for (hook, read) in hooks {
                let mut labels = labels(plugin).to_vec();
                labels.push(("hook", hook));
                out.sample(&labels, value(read));
            }
        }
    }
}

fn labels(plugin: &PluginIdentity) -> [(&'static str, &str); 3] {
    [
        ("plugin", &plugin.name),
        ("version", &plugin.version),
        ("sha256", plugin.short_sha256()),
    ]
}

#[cfg(test)]
mod tests;
