//! How the plugins of a directory fare in a worker: what its files say, with what the worker has written of them.

use plugin_host::{Fault, HookStatistics, PluginRecord, PluginReport, Verdict};
use serde::Serialize;

/// A plugin as `plugin list` has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(flatten)]
    pub(super) report: PluginReport,
    pub(super) state: State,
    /// How often it has broken, as far as that still counts.
    pub(super) faults: usize,
    /// How it broke the last time.
    pub(super) last_fault: Option<Fault>,
    /// Milliseconds that its hooks have taken since the worker began; none where no worker has called one.
    pub(super) spent_ms: Option<u64>,
    /// The time of its longest call, in milliseconds.
    pub(super) longest_ms: Option<u64>,
    /// How many hooks were called.
    pub(super) calls: u64,
}

/// Whether new tasks use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// They do.
    InService,
    /// It is not loaded.
    Refused,
    /// It has broken too often.
    Quarantined,
}

/// Puts reports and records together, by the files' hashes. A limit of 0 is none.
pub(super) fn of(reports: Vec<PluginReport>, records: Vec<PluginRecord>, limit: u32) -> Vec<Listed> {
    reports
        .into_iter()
        .map(|report| {
            let is_of = |record: &&PluginRecord| Some(&record.sha256) == report.sha256.as_ref();
            let record = records.iter().find(is_of);
            listed(report, record, limit)
        })
        .collect()
}

fn listed(report: PluginReport, record: Option<&PluginRecord>, limit: u32) -> Listed {
    let is_quarantined = limit > 0 && record.is_some_and(|record| record.quarantined.is_some());
    let state = match report.verdict {
        Verdict::Refused { .. } => State::Refused,
        Verdict::Loaded if is_quarantined => State::Quarantined,
        Verdict::Loaded => State::InService,
    };
    let hooks: Vec<HookStatistics> = record
        .into_iter()
        .flat_map(|record| record.hooks.values().copied())
        .collect();
    let total_us: u64 = hooks.iter().map(|hook| hook.total_us).sum();
    let longest_us = hooks.iter().map(|hook| hook.max_us).max();
    Listed {
        report,
        state,
        faults: record.map_or(0, |record| record.faults.len()),
        last_fault: record.and_then(|record| record.last_fault.clone()),
        spent_ms: (!hooks.is_empty()).then_some(total_us / 1000),
        longest_ms: longest_us.map(|us| us / 1000),
        calls: hooks.iter().map(|hook| hook.calls).sum(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(quarantined: bool) -> PluginRecord {
        let hooks = json!({
            "started": {"calls": 2, "totalUs": 5_000, "maxUs": 4_000},
            "stopped": {"calls": 1, "totalUs": 2_000, "maxUs": 2_000},
        });
        let at = "2026-11-24T12:00:00Z";
        serde_json::from_value(json!({
            "sha256": "ab", "name": "a", "version": "1", "faults": [at], "hooks": hooks,
            "lastFault": {"at": at, "hook": "started", "kind": "trap", "message": "started trapped: x"},
            "quarantined": if quarantined { json!(at) } else { json!(null) },
        }))
        .unwrap()
    }

    fn report() -> PluginReport {
        PluginReport {
            sha256: Some("ab".to_owned()),
            ..PluginReport::new("a.wasm")
        }
    }

    #[test]
    fn what_a_worker_has_written_is_found_by_the_hash() {
        let plugins = of(vec![report(), PluginReport::new("b.wasm")], vec![record(true)], 3);
        let [one, other] = plugins.as_slice() else {
            panic!("two")
        };
        assert_eq!((one.state, one.faults, one.calls), (State::Quarantined, 1, 3));
        assert_eq!((one.spent_ms, one.longest_ms), (Some(7), Some(4)));
        assert_eq!(
            (other.state, other.faults, other.spent_ms),
            (State::InService, 0, None)
        );
    }

    #[test]
    fn without_a_limit_nothing_is_in_quarantine() {
        let states = |limit, quarantined| of(vec![report()], vec![record(quarantined)], limit)[0].state;
        assert_eq!(states(3, false), State::InService);
        assert_eq!(states(0, true), State::InService);
    }
}
