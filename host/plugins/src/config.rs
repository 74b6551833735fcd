//! What an operator says of plugins.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    faults::FaultPolicy,
    grants::Grants,
    limits::Limits,
    trust::{Signers, TrustConfig, Version},
};

/// What the config says of one plugin, under `plugins.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginConfig {
    /// The capabilities that the plugin may use, such as `environment`, or `environment: {names: [PATH, "GECKO_*"]}` for some
    /// names only. A plugin that needs more is not loaded.
    pub grants: Grants,
    /// What the plugin itself is told. Its own schema says what is valid; `plugin inspect` prints it.
    pub config: Value,
    /// What an instance may use.
    pub limits: Limits,
    /// True: the worker does not start without this plugin, claims nothing while it is in quarantine, and a run in which it breaks
    /// ends as an internal error.
    /// False: both go on, with a warning.
    pub required: bool,
    /// The only file that may bear this name, as the hexadecimal SHA-256 of its bytes.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
    /// Who may sign the file that bears this name: a key of `pluginTrust.keys`, or a list of keys of which any is enough. The
    /// signature lies beside it, as `FILE.wasm.minisig`.
    pub signed_by: Option<Signers>,
    /// The oldest version that may be loaded, such as `1.2.0`, so that an older file, though signed, can't take its place.
    pub min_version: Option<Version>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            grants: Grants::default(),
            config: Value::Object(Map::new()),
            limits: Limits::default(),
            required: true,
            sha256: None,
            signed_by: None,
            min_version: None,
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
    /// When faults put a plugin out of service, and where they are kept.
    pub faults: FaultPolicy,
    /// The limits of plugins that the config does not name.
    pub default_limits: Limits,
    /// Whom the pool trusts to make plugins.
    pub trust: TrustConfig,
    /// By the plugins' names.
    pub plugins: BTreeMap<String, PluginConfig>,
}
