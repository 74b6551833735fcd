//! Many plugins in one host: how long it takes to load them, and what a whole run costs with all of them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_host::{
    HookAnswer, HostOptions, NoProgress, Phase, PluginHost, PluginSet, RunPlugins, ports::AnySchemas,
};

use super::{
    super::{
        kit::Home,
        table::{Sample, percentiles, row, show},
    },
    compiler, copies, host_config,
    nothing::{self, Nothing},
};

/// Starts with everything in the cache.
const LOADS: usize = 20;
/// Runs whose hooks are timed; fewer with very many plugins.
const RUNS: usize = 2_000;
/// Instances that live at one time where their memory is measured: as many as there is room for in the host.
const INSTANCES: usize = 900;

/// How long the parts of runs took.
#[derive(Default)]
struct Runs {
    /// Making the instances, and `new-task`.
    new_task: Vec<Duration>,
    /// Each of the other hooks.
    hooks: Vec<Duration>,
    /// Everything, up to the end of the instances.
    whole: Vec<Duration>,
}

pub(super) async fn run(count: usize) {
    let home = Home::new();
    let directory = home.path().join("plugins");
    copies::fill(&directory, count);
    let (cold, host) = open(&home).await;
    host.shutdown().await;
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        let (took, host) = open(&home).await;
        loads.push(took);
        host.shutdown().await;
    }
    let plugins = if count == 1 {
        "1 plugin".to_owned()
    } else {
        format!("{count} plugins")
    };
    row(
        &format!("open a host with {plugins}, all compiled"),
        &show(cold),
        "",
    );
    let aim = if count == 100 { "p50 < 100 ms" } else { "" };
    row(
        "open it, all in the cache",
        &percentiles(&Sample::new(loads), 90),
        aim,
    );

    let (_, host) = open(&home).await;
    let set = host.current().await;
    let runs = time_runs(&set, RUNS * 10 / count.max(10)).await;
    let new_task = Sample::new(runs.new_task);
    row(
        &format!("instantiate {plugins} for a run, and `new-task`"),
        &percentiles(&new_task, 99),
        "",
    );
    row(
        &format!("another hook of {plugins}, in parallel"),
        &percentiles(&Sample::new(runs.hooks), 99),
        "",
    );
    let aim = if count == 10 { "p50 < 1 ms" } else { "" };
    row(
        &format!("all hooks of a task, {plugins}"),
        &percentiles(&Sample::new(runs.whole), 99),
        aim,
    );
    memory(&set, count).await;
    host.shutdown().await;
}

/// As a worker does when it starts: the engine, its threads, every file.
async fn open(home: &Home) -> (Duration, PluginHost) {
    let options = HostOptions {
        config: host_config(home),
        worker: nothing::worker(),
        lifecycle: Arc::new(Nothing),
        host_runtime: tokio::runtime::Handle::current(),
        compiler: compiler(),
        progress: Arc::new(NoProgress),
        schemas: Arc::new(AnySchemas),
    };
    let begun = Instant::now();
    let host = PluginHost::open(options).await.unwrap();
    (begun.elapsed(), host)
}

async fn time_runs(set: &PluginSet, rounds: usize) -> Runs {
    let mut runs = Runs::default();
    for _ in 0..rounds {
        let begun = Instant::now();
        let plugins = set.new_run(nothing::ports());
        timed(&mut runs.new_task, plugins.new_task(BTreeMap::new())).await;
        timed(
            &mut runs.hooks,
            plugins.build_sandbox(Phase::new(Box::new(Nothing))),
        )
        .await;
        timed(&mut runs.hooks, plugins.started(nothing::sandbox())).await;
        timed(&mut runs.hooks, plugins.stopped(Phase::new(Arc::new(Nothing)))).await;
        timed(&mut runs.hooks, plugins.finished(true)).await;
        plugins.dispose().await;
        runs.whole.push(begun.elapsed());
    }
    runs
}

async fn timed(times: &mut Vec<Duration>, hook: impl Future<Output = HookAnswer>) {
    let begun = Instant::now();
    let answer = hook.await;
    times.push(begun.elapsed());
    assert!(answer.success && answer.failures.is_empty(), "{answer:?}");
}

/// What the instances of runs hold that have heard of their tasks.
async fn memory(set: &PluginSet, count: usize) {
    let before = resident();
    let mut runs: Vec<RunPlugins> = Vec::new();
    for _ in 0..INSTANCES / count {
        let plugins = set.new_run(nothing::ports());
        let answer = plugins.new_task(BTreeMap::new()).await;
        assert!(answer.failures.is_empty(), "{answer:?}");
        runs.push(plugins);
    }
    let held = resident().saturating_sub(before);
    let instances = runs.len() * count;
    for plugins in runs {
        plugins.dispose().await;
    }
    let each = held as f64 / instances as f64 / 1024.0;
    row(
        &format!("memory of a live instance, {count} of them in each run"),
        &format!("{each:.0} KiB (n = {instances})"),
        "",
    );
}

/// How much memory this process has, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
