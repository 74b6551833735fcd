//! A plugin of the worker's life that ends itself when the worker starts.

use plugin_sdk::{NoConfig, Plugin, WorkerInfo, WorkerPlugin};

struct CrashAtStart;

impl Plugin for CrashAtStart {
    type Config = NoConfig;
    const NAME: &'static str = "attack-48-crash-at-start";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Ends itself when the worker starts.";
}

impl WorkerPlugin for CrashAtStart {
    fn worker_started(_worker: WorkerInfo, _config: NoConfig) -> Result<Self, String> {
        std::process::abort()
    }
}

plugin_sdk::export_worker_plugin!(CrashAtStart);
