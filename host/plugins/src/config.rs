//! What an operator says of plugins.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::Limits;

/// What the config says of one plugin, under `plugins.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginConfig {
    /// The capabilities that the plugin may use, such as `environment`. One that needs more is not loaded.
    pub grants: BTreeSet<String>,
    /// What the plugin itself is told. Its own schema says what is valid; `plugin inspect` prints it.
    pub config: Value,
    /// What an instance may use.
    pub limits: Limits,
    /// True: the worker does not start without this plugin, and a run in which it breaks ends as an internal error.
    /// False: both go on, with a warning.
    pub required: bool,
    /// The only file that may bear this name, as the hexadecimal SHA-256 of its bytes.
    pub sha256: Option<String>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            grants: BTreeSet::new(),
            config: Value::Object(Map::new()),
            limits: Limits::default(),
            required: true,
            sha256: None,
        }
    }
}

/// Where plugins are, and what they may do. Put together by the worker from several parts of its config.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Every file in it that ends in `.wasm` is a plugin.
    pub directory: PathBuf,
    /// For compiled code. It is created if it is missing; nobody but the worker may be able to write in it, since what is
    /// in it is run.
    pub cache_directory: PathBuf,
    /// How long a hook may take to return once its run is aborted.
    pub abort_grace: Duration,
    /// The limits of plugins that the config does not name.
    pub default_limits: Limits,
    /// By the plugins' names.
    pub plugins: BTreeMap<String, PluginConfig>,
}
