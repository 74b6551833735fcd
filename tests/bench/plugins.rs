//! What plugins cost: the host alone, with one and with many of them, the limits of their instances, and a worker with many.

mod copies;
mod limits;
mod many;
mod nothing;
mod worker;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use plugin_host::{
    Capability, CompilerCommand, FaultPolicy, HostConfig, InspectOptions, Limits, NoProgress, PluginConfig,
    TrustConfig,
    measure::{Rounds, measure},
    ports::AnySchemas,
};

use super::{
    kit::{Home, Plugin, places::program},
    table::{Sample, percentiles, row, show},
};

const ROUNDS: Rounds = Rounds {
    loads: 200,
    instances: 20_000,
    calls: 200_000,
};

/// The host alone, and a worker with many plugins.
pub(crate) async fn run() {
    one().await;
    for plugins in [1, 10, 100] {
        many::run(plugins).await;
    }
    limits::run().await;
    worker::run().await;
}

async fn one() {
    let home = Home::new();
    let plugin = Plugin::ordinary("env");
    let grants = plugin
        .grants
        .iter()
        .filter_map(|word| Capability::named(word))
        .collect();
    let mut config = host_config(&home);
    let entry = PluginConfig {
        grants,
        ..PluginConfig::default()
    };
    config.plugins.insert(plugin.name.clone(), entry);
    let options = InspectOptions {
        config,
        compiler: compiler(),
        progress: Arc::new(NoProgress),
        schemas: Arc::new(AnySchemas),
    };
    let measured = measure(&plugin.file, options, ROUNDS).await.unwrap();
    row("load a plugin (`env`), compiled", &show(measured.load_cold), "");
    let loads = Sample::new(measured.loads);
    row("load it from the cache", &percentiles(&loads, 99), "p50 < 2 ms");
    let instances = Sample::new(measured.instances);
    row("instantiate it", &percentiles(&instances, 99), "p50 < 20 µs");
    let calls = Sample::new(measured.calls);
    row("call a hook", &percentiles(&calls, 99), "p50 < 5 µs");
}

/// A host of no more plugins than are in its directory, none of which is granted anything.
fn host_config(home: &Home) -> HostConfig {
    HostConfig {
        directory: home.path().join("plugins"),
        cache_directory: home.path().join("cache"),
        abort_grace: Duration::from_secs(2),
        faults: FaultPolicy {
            file: home.path().join("plugin-faults.json"),
            limit: 3,
            window: Duration::from_hours(1),
        },
        default_limits: Limits::default(),
        trust: TrustConfig::default(),
        plugins: BTreeMap::new(),
    }
}

fn compiler() -> CompilerCommand {
    CompilerCommand {
        program: program().to_owned(),
        args: vec!["__compile".into()],
    }
}
