//! What the page says.

use std::collections::BTreeMap;

use super::*;
use crate::task::resolution::Resolution;

fn worker() -> WorkerInfo {
    WorkerInfo {
        root_url: "http://localhost".to_owned(),
        task_queue_id: "a/b".to_owned(),
        worker_group: "g".to_owned(),
        worker_id: "w".to_owned(),
        engine: "mock".to_owned(),
        metadata: Vec::new(),
    }
}

fn plugin() -> PluginIdentity {
    PluginIdentity {
        name: "env".into(),
        // A plugin says what it likes.
        version: "1.0\"".into(),
        sha256: "0123456789abcdef".repeat(4).into(),
    }
}

#[test]
fn every_count_is_on_the_page_in_base_units() {
    let counts = Counts::new(4);
    counts.claims().add_one();
    counts.run_over(Resolution::Completed);
    counts.run_over(Resolution::Completed);
    let hook = HookStatistics {
        calls: 3,
        total_us: 1_500_000,
        traps: 1,
        ..HookStatistics::default()
    };
    let text = render(&Reading {
        counts: &counts,
        worker: &worker(),
        statistics: &[PluginStatistics {
            plugin: plugin(),
            hooks: BTreeMap::from([("started", hook)]),
        }],
        standings: &[PluginStanding {
            plugin: plugin(),
            in_service: false,
            quarantined: true,
            faults: 3,
        }],
    });
    let of = "plugin=\"env\",version=\"1.0\\\"\",sha256=\"0123456789ab\"";
    for line in [
        "taskcluster_worker_claims_total 1".to_owned(),
        "taskcluster_worker_capacity 4".to_owned(),
        "taskcluster_worker_runs_total{resolution=\"completed\"} 2".to_owned(),
        format!("taskcluster_worker_plugin_quarantined{{{of}}} 1"),
        format!("taskcluster_worker_plugin_in_service{{{of}}} 0"),
        format!("taskcluster_worker_plugin_faults{{{of}}} 3"),
        format!("taskcluster_worker_plugin_hook_calls_total{{{of},hook=\"started\"}} 3"),
        format!("taskcluster_worker_plugin_hook_seconds_total{{{of},hook=\"started\"}} 1.5"),
        format!("taskcluster_worker_plugin_hook_traps_total{{{of},hook=\"started\"}} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn each_family_is_begun_once_with_help_and_type() {
    let text = render(&Reading {
        counts: &Counts::new(1),
        worker: &worker(),
        statistics: &[],
        standings: &[],
    });
    let begun = |what: &str| {
        let names = text.lines().filter_map(|line| line.strip_prefix(what));
        names
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (helps, types) = (begun("# HELP "), begun("# TYPE "));
    assert_eq!(helps, types);
    let mut once = helps.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), helps.len());
    assert!(helps.iter().all(|name| name.starts_with("taskcluster_worker_")));
}
