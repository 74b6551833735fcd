//! What each limit costs, on and off.

use std::time::Duration;

use plugin_host::measure::{LimitCost, NUMBERS, Without, measure_limits};

use super::super::{
    kit::Plugin,
    table::{Sample, row, show},
};

/// How often each thing is done with each limit left out.
const ROUNDS: usize = 2_000;

pub(super) async fn run() {
    let plugin = Plugin::ordinary("exit-status");
    let costs = measure_limits(&plugin.file, ROUNDS).await.unwrap();
    for cost in costs {
        let LimitCost {
            without,
            instances,
            calls,
            computing,
        } = cost;
        let median = |durations: Vec<Duration>| show(Sample::new(durations).percentile(50));
        row(
            &format!("limits: {}", name(without)),
            &format!(
                "instance {}, call {}, a call that reads {NUMBERS} numbers {} (p50, n = {ROUNDS})",
                median(instances),
                median(calls),
                median(computing)
            ),
            "",
        );
    }
}

fn name(without: Without) -> &'static str {
    match without {
        Without::Nothing => "all on",
        Without::Epochs => "without interruption (`cpuMs`, `hookMs`)",
        Without::MemoryLimits => "without `memoryBytes`, `tableElements`, `instances`",
        Without::CallBytes => "without `callBytes`",
        Without::Handles => "without `handles`",
        Without::Everything => "all off",
    }
}
