//! What an operator says: one YAML file, read once. The doc comments of this module are the descriptions in its JSON
//! schema (`schema config`), which is also what a config is checked by.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use plugin_host::{FaultPolicy, HostConfig, Limits, PluginConfig, TrustConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod built_in;
mod check;
mod draft;
mod layers;
mod load;
mod origins;
mod outside;
mod secrets;
mod show;
mod taskcluster;
mod values;

pub(crate) use built_in::plugins_in;
pub(crate) use check::{keys, schema};
pub(crate) use draft::{Draft, Identity};
pub(crate) use layers::ours;
pub(crate) use load::{ConfigError, load, load_without_secrets};
pub(crate) use origins::Layer;
pub(crate) use secrets::{NoSecret, Secrets};
pub(crate) use show::Shown;
pub(crate) use taskcluster::{EmbeddedConfig, TaskclusterConfig, WorkerManagerConfig, default_claim_timeout};
pub(crate) use values::{NotAPeriod, Period, Secret};

/// The config of one worker. Any value may also come from elsewhere: `{$env: NAME}` is an environment variable
/// (`type: string, number, bool, json` or `list`; `default:` where it may be unset), `{$file: PATH}` the content of a file,
/// `{$secret: NAME, key: MEMBER}` a member of a secret of the deployment's secrets service. Paths are relative to the config's
/// own folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "taskcluster-worker config")]
pub(crate) struct Config {
    /// The queue that tasks are claimed from.
    pub(crate) taskcluster: TaskclusterConfig,
    /// The worker itself.
    pub(crate) worker: WorkerConfig,
    /// Runs the tasks.
    #[serde(default)]
    pub(crate) engine: EngineName,
    /// Settings of the engines, by name. Those of engines that are not used have no effect.
    #[serde(default)]
    pub(crate) engines: EnginesConfig,
    /// Every `.wasm` file in it is a plugin. Without it: `plugins` beside the program, or
    /// `../lib/taskcluster-worker/plugins` from there.
    #[serde(default)]
    pub(crate) plugin_directory: Option<PathBuf>,
    /// Where compiled plugins are kept; created if it is missing. Without it: `plugin-cache` in the worker's directory.
    /// Nobody else may be able to write there, since what is in it is run.
    #[serde(default)]
    pub(crate) plugin_cache_directory: Option<PathBuf>,
    /// What plugins may do, by the plugins' names.
    #[serde(default)]
    pub(crate) plugins: PluginsConfig,
    /// Whom the pool trusts to make plugins.
    #[serde(default)]
    pub(crate) plugin_trust: TrustConfig,
    /// Logs that can be followed while they are written.
    #[serde(default)]
    pub(crate) live_log: LiveLogConfig,
    /// How the queue is talked to.
    #[serde(default)]
    pub(crate) queue: QueueConfig,
    /// How artifacts are uploaded.
    #[serde(default)]
    pub(crate) artifacts: ArtifactsConfig,
    /// What monitoring reads.
    #[serde(default)]
    pub(crate) metrics: MetricsConfig,
}

/// The worker itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WorkerConfig {
    /// The queue of tasks that is worked on: `<provisionerId>/<workerType>`.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,38}/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$"))]
    pub(crate) task_queue_id: String,
    /// The group that the worker belongs to, such as its region.
    #[serde(default = "default_worker_group")]
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,38}$"))]
    pub(crate) worker_group: String,
    /// Its name, unique in the group. Without it: the machine's host name.
    #[serde(default = "default_worker_id")]
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,38}$"), extend("default" = null))]
    pub(crate) worker_id: String,
    /// How many tasks run at a time.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) concurrency: u32,
    /// Where the worker keeps its state, the tasks' folders and caches; created if it is missing. One worker for one
    /// directory.
    pub(crate) directory: PathBuf,
    /// The most that the log of a task may hold, in bytes. What is beyond is left out, with a line that says so.
    #[serde(default = "default_max_log_bytes")]
    #[schemars(range(min = 1024))]
    pub(crate) max_log_bytes: u64,
    /// How often plugins hear of the worker's progress.
    #[serde(default = "default_tick")]
    pub(crate) tick: Period,
    /// How many tasks to claim before the worker ends. Without it there is no end.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) task_limit: Option<u64>,
    /// How long the worker may have nothing to do before it ends. Without it there is no end. One that worker-manager knows
    /// stays where worker-manager has decided that it is wanted.
    #[serde(default)]
    pub(crate) idle_timeout: Option<Period>,
    /// What tasks and plugins may know of the machine: `location`, `instanceType`, `region`, …
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The name of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EngineName {
    /// A task is a tree of processes on this machine.
    #[default]
    Native,
    /// A task does what its payload says that it does: for tests of the worker and of plugins.
    Mock,
}

/// Settings of the engines.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct EnginesConfig {
    /// Of the native engine.
    pub(crate) native: NativeConfig,
}

/// Settings of the native engine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct NativeConfig {
    /// How long processes have to end when a plugin ends the task, before they are killed.
    pub(crate) kill_grace: Period,
    /// Folders outside of the task's own from which files may be published.
    pub(crate) extract_roots: Vec<PathBuf>,
    /// The most bytes that a file may have which is published, before it is compressed.
    #[schemars(range(min = 1))]
    pub(crate) max_extract_bytes: u64,
    /// Variables that every task gets beside the engine's own few, or in place of one of them, such as `PATH`. Plugins may
    /// set over them.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What plugins may do. Names of plugins have no capital letters, so that they can't be taken for the general settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = values::close_plugins)]
pub(crate) struct PluginsConfig {
    /// How long a plugin's hook may take to return once its run is aborted.
    pub(crate) abort_grace: Period,
    /// How often a plugin may break, by a trap, an exceeded limit or a time-out, before the worker uses it for no new task. It
    /// goes by the file's hash, and outlasts a restart. 0: as often as it likes.
    #[schemars(range(max = 1000))]
    pub(crate) fault_limit: u32,
    /// In which time those faults must be to count together.
    pub(crate) fault_window: Period,
    /// The limits of plugins that are not named here.
    pub(crate) default_limits: Limits,
    /// By name.
    #[serde(flatten)]
    pub(crate) by_name: BTreeMap<String, PluginConfig>,
}

/// Logs that can be followed while they are written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct LiveLogConfig {
    /// False: logs can be read when the task is over, and not before.
    pub(crate) enabled: bool,
    /// Where logs are served. Port 0 is any that is free.
    pub(crate) listen: SocketAddr,
    /// How others reach that address, such as `https://worker-1.example.com:60023`. Without it: `http://<listen>`.
    #[schemars(regex(pattern = "^https?://[^?#]+$"))]
    pub(crate) public_url: Option<String>,
}

/// How the queue is talked to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct QueueConfig {
    /// How long one try of a call may take.
    pub(crate) call_timeout: Period,
    /// The same of `claimWork`, which the queue holds for 20 s while nothing is pending: 25 s at least.
    pub(crate) claim_timeout: Period,
    /// How often it is asked whether running tasks were canceled: in one request for all of them.
    pub(crate) status_interval: Period,
}

/// How artifacts are uploaded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ArtifactsConfig {
    /// Where the queue is told to keep the bytes of artifacts.
    pub(crate) storage_type: StorageType,
    /// How many are uploaded at a time, by all tasks together.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) concurrency: u32,
    /// How many bytes those may have that are uploaded at a time. One that has more is uploaded alone.
    #[schemars(range(min = 1))]
    pub(crate) concurrent_bytes: u64,
    /// How long no byte of an upload may move before it is begun anew.
    pub(crate) stall_timeout: Period,
}

/// What monitoring reads: `GET /metrics`, in Prometheus' text format.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct MetricsConfig {
    /// Where the page is served, such as `127.0.0.1:9110`. Nobody is asked who they are: leave it to this machine, or to a network
    /// of yours. Without it there is no page.
    pub(crate) listen: Option<SocketAddr>,
}

/// Where the bytes of artifacts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StorageType {
    /// In a bucket of the queue's.
    #[default]
    S3,
    /// By the object service.
    Object,
}

impl Config {
    /// What the plugin host is told. `directory` is used where the config names none.
    pub(crate) fn plugin_host(&self, directory: &Path) -> HostConfig {
        let cache = || self.worker.directory.join("plugin-cache");
        HostConfig {
            directory: self
                .plugin_directory
                .clone()
                .unwrap_or_else(|| directory.to_owned()),
            cache_directory: self.plugin_cache_directory.clone().unwrap_or_else(cache),
            abort_grace: self.plugins.abort_grace.duration(),
            faults: self.fault_policy(),
            default_limits: self.plugins.default_limits.clone(),
            trust: self.plugin_trust.clone(),
            plugins: self.plugins.by_name.clone(),
        }
    }

    /// When faults put a plugin out of service, and where they are kept.
    pub(crate) fn fault_policy(&self) -> FaultPolicy {
        FaultPolicy {
            file: self.worker.directory.join("plugin-faults.json"),
            limit: self.plugins.fault_limit,
            window: self.plugins.fault_window.duration(),
        }
    }

    /// Makes every path that is relative one below `folder`.
    fn anchor(&mut self, folder: &Path) {
        let embedded = self
            .taskcluster
            .embedded
            .as_mut()
            .map(|embedded| &mut embedded.directory);
        let paths = [
            Some(&mut self.worker.directory),
            self.plugin_directory.as_mut(),
            self.plugin_cache_directory.as_mut(),
            embedded,
        ];
        for path in paths
            .into_iter()
            .flatten()
            .chain(&mut self.engines.native.extract_roots)
        {
            // Joining an absolute path replaces the folder.
            *path = folder.join(&*path);
        }
    }
}

impl EngineName {
    /// The word in the config.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mock => "mock",
        }
    }
}

impl Default for NativeConfig {
    fn default() -> Self {
        Self {
            kill_grace: Period::seconds(5),
            extract_roots: Vec::new(),
            max_extract_bytes: 50 << 30,
            environment: BTreeMap::new(),
        }
    }
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            abort_grace: Period::seconds(2),
            fault_limit: 3,
            fault_window: Period::seconds(60 * 60),
            default_limits: Limits::default(),
            by_name: BTreeMap::new(),
        }
    }
}

impl Default for LiveLogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
        }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        let options = queue::ClientOptions::default();
        Self {
            call_timeout: options.call_timeout.into(),
            claim_timeout: options.claim_timeout.into(),
            status_interval: Period::seconds(15),
        }
    }
}

impl Default for ArtifactsConfig {
    fn default() -> Self {
        Self {
            storage_type: StorageType::S3,
            concurrency: 10,
            concurrent_bytes: 4 << 30,
            stall_timeout: Period::seconds(60),
        }
    }
}

impl From<&QueueConfig> for queue::ClientOptions {
    fn from(config: &QueueConfig) -> Self {
        Self {
            call_timeout: config.call_timeout.duration(),
            claim_timeout: config.claim_timeout.duration(),
        }
    }
}

fn default_worker_group() -> String {
    "local".to_owned()
}

/// The machine's host name, as far as it may be a worker's.
fn default_worker_id() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let name: String = host
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .take(38)
        .collect();
    if name.is_empty() {
        "worker".to_owned()
    } else {
        name
    }
}

fn default_concurrency() -> u32 {
    1
}

fn default_max_log_bytes() -> u64 {
    1 << 30
}

fn default_tick() -> Period {
    Period::seconds(10)
}

#[cfg(test)]
mod tests;
