//! The config of commands that were given none: the plugins that come with the worker, with what they need.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use plugin_host::{Capability, Grants, PluginConfig, TrustConfig};

use super::{
    ArtifactsConfig, Config, EmbeddedConfig, EngineName, EnginesConfig, LiveLogConfig, MetricsConfig, Period,
    PluginsConfig, QueueConfig, TaskclusterConfig, WorkerConfig, default_claim_timeout,
    default_max_log_bytes, default_worker_id,
};

/// The plugins of tasks that come with the worker.
const PLUGINS: [&str; 5] = ["env", "exit-status", "artifacts", "livelog", "maxruntime"];
/// Where tasks are for that name no other queue.
const TASK_QUEUE_ID: &str = "local/run-task";

/// Of the plugins that come with the worker, those that are in a plugin directory, by name, with what each needs.
pub(crate) fn plugins_in(plugin_directory: &Path) -> BTreeMap<&'static str, Grants> {
    let is_there = |name: &&str| plugin_directory.join(format!("{name}.wasm")).is_file();
    PLUGINS
        .into_iter()
        .filter(is_there)
        .map(|name| (name, needs(name)))
        .collect()
}

/// What a plugin that comes with the worker needs to do for tasks what generic-worker does.
fn needs(name: &str) -> Grants {
    let capabilities: &[Capability] = match name {
        // Tasks set PATH, LD_LIBRARY_PATH and whatever else they like in their own environment.
        "env" => return Grants::every_variable(),
        "artifacts" => &[Capability::Results, Capability::Artifacts],
        "livelog" => &[Capability::Artifacts, Capability::TaskLog],
        "maxruntime" => &[Capability::Kill],
        _ => &[],
    };
    capabilities.iter().copied().collect()
}

impl Config {
    /// The config of a worker for tasks of one's own, which keeps everything below `directory`. Of the plugins that come
    /// with the worker, those that are in `plugin_directory` are required and get what they need; others may be there too
    /// where they need nothing.
    pub(crate) fn built_in(plugin_directory: PathBuf, directory: &Path) -> Self {
        let by_name = plugins_in(&plugin_directory)
            .into_iter()
            .map(|(name, grants)| {
                let plugin = PluginConfig {
                    grants,
                    ..PluginConfig::default()
                };
                (name.to_owned(), plugin)
            })
            .collect();
        Self {
            taskcluster: TaskclusterConfig {
                root_url: None,
                credentials: None,
                worker_manager: None,
                pool_secret: None,
                embedded: Some(EmbeddedConfig {
                    directory: directory.join("queue"),
                    listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                    claim_timeout: default_claim_timeout(),
                }),
            },
            worker: WorkerConfig {
                task_queue_id: TASK_QUEUE_ID.to_owned(),
                worker_group: super::default_worker_group(),
                worker_id: default_worker_id(),
                concurrency: 1,
                directory: directory.join("worker"),
                max_log_bytes: default_max_log_bytes(),
                tick: Period::seconds(10),
                task_limit: None,
                idle_timeout: None,
                metadata: BTreeMap::new(),
            },
            engine: EngineName::Native,
            engines: EnginesConfig::default(),
            plugin_directory: Some(plugin_directory),
            plugin_cache_directory: None,
            plugins: PluginsConfig {
                by_name,
                ..PluginsConfig::default()
            },
            plugin_trust: TrustConfig::default(),
            live_log: LiveLogConfig::default(),
            queue: QueueConfig::default(),
            artifacts: ArtifactsConfig::default(),
            metrics: MetricsConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_grants_what_is_granted_without_a_config() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/worker.yml");
        let example = crate::config::load(&example).unwrap().plugins.by_name;
        for name in PLUGINS {
            assert_eq!(example[name].grants, needs(name), "{name}: {}", needs(name));
        }
    }

    #[test]
    fn only_plugins_that_are_there_are_required() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("env.wasm"), "").unwrap();
        std::fs::write(folder.path().join("other.wasm"), "").unwrap();
        let config = Config::built_in(folder.path().to_owned(), Path::new("/w"));
        assert_eq!(config.plugins.by_name.keys().collect::<Vec<_>>(), ["env"]);
        assert!(
            config.plugins.by_name["env"]
                .grants
                .contains(Capability::Environment)
        );
        assert!(config.taskcluster.embedded.is_some());
    }
}
