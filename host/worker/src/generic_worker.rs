//! generic-worker's config, for a worker that takes its place: worker-runner writes that file, and pools have it written
//! down. What it says is said anew in the words of our own config; what has no counterpart is told, once.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

mod keys;
mod read;
mod translate;

pub(crate) use translate::{ShutdownMachine, translate};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// Why there is no config to translate. Holds none of its values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file can't be read.
    #[error("the config {path:?} can't be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It can be read, and is not JSON.
    #[error("the config {path:?} is no JSON")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected there.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON, and no object.
    #[error("the config {path:?} must be a JSON object")]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
}

/// A config that says what it can't mean, with everything that is wrong with it, a line each. Holds none of its values.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.file, .problems))]
pub(crate) struct WrongConfig {
    file: String,
    problems: Vec<String>,
}

/// What a config's file holds.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// The file, for messages.
    file: String,
    members: Map<String, Value>,
}

/// Reads a config, without looking at what it says.
///
/// # Errors
/// When there is no JSON object to be had.
pub(crate) fn load(path: &Path) -> Result<Members, LoadError> {
    let read = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
        .map_err(read)?;
    if text.len() as u64 > MAX_FILE {
        let what = format!("it is larger than {} MiB", MAX_FILE >> 20);
        return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, what)));
    }
    match serde_json::from_slice(&text) {
        Ok(Value::Object(members)) => Ok(Members {
            file: path.display().to_string(),
            members,
        }),
        Ok(_) => Err(LoadError::NotAnObject {
            path: path.to_owned(),
        }),
        Err(source) => Err(LoadError::NotJson {
            path: path.to_owned(),
            source,
        }),
    }
}

impl Members {
    /// The plugin directory that our own part of the config names.
    pub(crate) fn plugin_directory(&self) -> Option<&Path> {
        let is_own = |(key, _): &(&String, _)| key.eq_ignore_ascii_case(keys::OWN);
        let (_, own) = self.members.iter().find(is_own)?;
        own.get("pluginDirectory")?.as_str().map(Path::new)
    }
}

fn lines(file: &str, problems: &[String]) -> String {
    let line = |problem: &String| format!("{file}: {problem}");
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
