//! The plugin host alone: loading, instances, calls.

use std::sync::Arc;

use plugin_host::{
    CompilerCommand, HostConfig, InspectOptions, Limits, NoProgress, PluginConfig,
    measure::{Rounds, measure},
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

pub(crate) async fn run() {
    let home = Home::new();
    let plugin = Plugin::ordinary("env");
    let grants = plugin.grants.iter().map(|&word| word.to_owned()).collect();
    let config = HostConfig {
        directory: home.path().to_owned(),
        cache_directory: home.path().join("cache"),
        abort_grace: std::time::Duration::from_secs(2),
        default_limits: Limits::default(),
        plugins: [(
            plugin.name.clone(),
            PluginConfig {
                grants,
                ..PluginConfig::default()
            },
        )]
        .into(),
    };
    let options = InspectOptions {
        config,
        compiler: CompilerCommand {
            program: program().to_owned(),
            args: vec!["__compile".into()],
        },
        progress: Arc::new(NoProgress),
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
