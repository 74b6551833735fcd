//! The plugins that are in service between two changes of the directory. A run keeps the set that it began with.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    assemble::Assembled,
    config::HostConfig,
    ports::RunPorts,
    prepared::Prepared,
    quarantine::lacking,
    report::PluginReport,
    run::{RunPlugins, RunSettings},
    statistics::PluginIdentity,
};

/// A plugin that has passed every check.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What it calls itself.
    pub(crate) name: Arc<str>,
    /// The version that it says it is.
    pub(crate) version: Arc<str>,
    /// Linked with what it was granted, and limited.
    pub(crate) prepared: Prepared,
    /// The operator's, valid by the plugin's own schema.
    pub(crate) config: Value,
    /// Whether a run is to end when the plugin breaks.
    pub(crate) required: bool,
    /// Whether it holds the grant `lifecycle`.
    pub(crate) may_stop_the_worker: bool,
    /// Its part of a task's payload.
    pub(crate) payload_schema: Value,
    /// The file that it came from.
    pub(crate) file: String,
    /// Of the file's bytes.
    pub(crate) sha256: String,
}

impl Loaded {
    /// What statistics and faults know it by.
    pub(crate) fn identity(&self) -> PluginIdentity {
        PluginIdentity {
            name: self.name.clone(),
            version: self.version.clone(),
            sha256: Arc::from(&*self.sha256),
        }
    }
}

/// Plugins, in the order of their names.
#[derive(Debug)]
pub struct PluginSet {
    pub(crate) plugins: Vec<Arc<Loaded>>,
    pub(crate) reports: Vec<PluginReport>,
    pub(crate) settings: RunSettings,
    /// The plugins that the config names and requires, and that are not among these.
    pub(crate) lacking: Vec<Lacking>,
}

/// A plugin that the config names and requires, and that is not in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Its name.
    pub plugin: String,
    /// Why it is not there.
    pub why: String,
}

impl PluginSet {
    /// What is in service from now on.
    pub(crate) fn new(assembled: Assembled, config: &HostConfig, settings: RunSettings) -> Self {
        let lacking = lacking(&assembled, config);
        let Assembled { plugins, reports } = assembled;
        settings.accounts.put_in_service(&plugins);
        Self {
            plugins,
            reports,
            settings,
            lacking,
        }
    }

    /// A report of each file, loaded or refused, and of each required plugin that has none.
    #[must_use]
    pub fn reports(&self) -> &[PluginReport] {
        &self.reports
    }

    /// What each plugin reads of a task's payload, by the plugin's name.
    #[must_use]
    pub fn schemas(&self) -> Vec<(String, Value)> {
        self.plugins
            .iter()
            .map(|plugin| (plugin.name.to_string(), plugin.payload_schema.clone()))
            .collect()
    }

    /// The plugins of one run. Nothing is instantiated before [`RunPlugins::new_task`].
    #[must_use]
    pub fn new_run(&self, ports: RunPorts) -> RunPlugins {
        RunPlugins::new(&self.plugins, ports, self.settings.clone())
    }
}
