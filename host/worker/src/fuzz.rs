//! What reads bytes that others have written, for the fuzz targets in `tests/fuzz`: the code that serves a worker, each reader
//! by itself. What is answered is what people would read.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use plugin_host::HostConfig;
use serde_json::{Map, Value};

use crate::{
    config::{ConfigError, Draft, Layer, NoSecret, Secrets, ours},
    generic_worker,
    payload::PayloadSchema,
    runner,
};

/// What may lie over a config, of whoever it is.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The secret of the pool.
    pub pool_secret: Map<String, Value>,
    /// The secrets that values may come from, by name. None: the worker may not read it.
    pub secrets: BTreeMap<String, Option<Map<String, Value>>>,
}

/// Reads a config as a worker does that starts, and shows it as `config show` does.
///
/// # Errors
/// With what is wrong with it.
pub fn config(file: &Path, layers: Layers) -> Result<Value, String> {
    let draft = Draft::read(file).map_err(text)?;
    complete(draft, layers).map_err(text)
}

/// What the plugin host is told by a worker with this config.
///
/// # Errors
/// With what is wrong with it.
pub fn host_config(config: Value, plugin_directory: &Path) -> Result<HostConfig, String> {
    let config = Draft::of_value(config, "the config", Path::new("/"))
        .and_then(Draft::finish)
        .map_err(text)?;
    Ok(config.plugin_host(plugin_directory))
}

/// Reads a config of generic-worker's as `run` does, and shows what comes of it.
///
/// # Errors
/// With what is wrong with it.
pub fn generic_worker_config(file: &Path) -> Result<Value, String> {
    let members = generic_worker::load(file).map_err(text)?;
    let translated = generic_worker::translate(members, &BTreeMap::new()).map_err(text)?;
    let draft = Draft::of_value(translated.config, "the config", Path::new("/")).map_err(text)?;
    complete(draft, Layers::default()).map_err(text)
}

fn complete(mut draft: Draft, layers: Layers) -> Result<Value, ConfigError> {
    draft.identity()?;
    let pool = ours(layers.pool_secret, &crate::config::keys());
    if let Some(over) = pool.config {
        draft.lay_over(&Layer::PoolSecret("worker-pool:a/b".to_owned()), over)?;
    }
    let mut secrets = Secrets::default();
    for (name, secret) in layers.secrets {
        secrets.add(&name, secret.ok_or(NoSecret::Forbidden));
    }
    draft.fill(&secrets)?;
    let shown = draft.show();
    draft.finish()?;
    Ok(shown.config)
}

/// A payload that was checked.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The merged schema.
    pub schema: Value,
    /// What the engine and each plugin get of it, where that is valid.
    pub parts: Vec<Value>,
    /// What is wrong, in lines for the task's author.
    pub lines: Vec<String>,
}

/// Puts the schemas of an engine and of plugins together, checks a payload by them and takes it apart.
///
/// # Errors
/// When the schemas do not go together.
pub fn payload(
    engine: Value,
    plugins: Vec<(String, Value)>,
    payload: &Map<String, Value>,
) -> Result<Payload, String> {
    let merged = PayloadSchema::merge("fuzz", engine, plugins).map_err(text)?;
    let parts = merged.read(payload);
    Ok(Payload {
        schema: merged.document().clone(),
        lines: parts.lines(),
        parts: parts
            .engine
            .into_iter()
            .chain(parts.plugins.into_values().flatten())
            .collect(),
    })
}

/// Hears all that worker-runner says. Answers how many lines were messages, and how many were not.
///
/// # Errors
/// When the input can't be read.
pub fn worker_runner(input: impl Read) -> io::Result<(usize, usize)> {
    runner::count_messages(input)
}

/// What worker-runner is written of a line of the log while it takes no messages.
#[must_use]
pub fn worker_runner_log(line: &str) -> Vec<u8> {
    runner::plain_line(line)
}

/// An error as commands print it.
fn text(error: impl std::error::Error) -> String {
    engine_api::chain(&error)
}
