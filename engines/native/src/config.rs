//! What an operator can choose.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Settings of the native engine.
#[derive(Clone, Debug)]
pub struct NativeConfig {
    /// How long a task's processes have to end after they were asked to, before they are killed. Zero kills at once.
    pub kill_grace: Duration,
    /// Absolute paths of folders outside of the task's own from which files may be published. What is there is published
    /// with the worker's rights.
    pub extract_roots: Vec<PathBuf>,
    /// The most bytes that a file may have which is published.
    pub max_extract_bytes: u64,
    /// Variables that every task gets beside the engine's base, or in place of one of it. Plugins may set over them.
    pub environment: BTreeMap<String, String>,
}

impl Default for NativeConfig {
    /// A grace of five seconds, and files of at most 50 GiB.
    fn default() -> Self {
        Self {
            kill_grace: Duration::from_secs(5),
            extract_roots: Vec::new(),
            max_extract_bytes: 50 << 30,
            environment: BTreeMap::new(),
        }
    }
}
