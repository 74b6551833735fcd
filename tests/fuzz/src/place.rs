//! Where targets find what they need.

use std::path::{Path, PathBuf};

use plugin_host::{CompilerCommand, HostConfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::findings::OrFinding as _;

/// What targets need of the machine.
#[derive(Debug)]
pub struct Place {
    /// How a process is started that compiles.
    pub compiler: CompilerCommand,
    /// Where the guests under `tests/plugins` are built to.
    pub guests: PathBuf,
}

impl Place {
    /// With the guests of this project, as `make test-plugins` builds them.
    #[must_use]
    pub fn new(compiler: CompilerCommand) -> Self {
        let guests = Self::repository().join("target/test-plugins");
        Self { compiler, guests }
    }

    /// The root of the project.
    #[must_use]
    pub fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// The committed inputs of a target.
    #[must_use]
    pub fn corpus(target: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
    }
}

/// A folder, for as long as a target is used.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().or_finding("there is no temporary folder")
}

/// What a worker with this config of its plugins has.
pub(crate) fn host_config(plugins: &Value, folder: &Path) -> HostConfig {
    let config = json!({
        "taskcluster": {"embedded": {"directory": folder.join("queue")}},
        "worker": {"taskQueueId": "local/fuzz", "directory": folder.join("worker")},
        "engine": "mock",
        "plugins": plugins,
    });
    let directory = folder.join("plugins");
    std::fs::create_dir_all(&directory).or_finding("there is no plugin directory");
    taskcluster_worker::fuzz::host_config(config, &directory).or_finding("a config that is right")
}
