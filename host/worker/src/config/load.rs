//! Configs for commands that ask no deployment for the rest of it.

use std::path::{Path, PathBuf};

use super::{Config, Draft};
use crate::located::LocatedError;

/// Why there is no config. Holds none of its values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("the config {path:?} can't be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It can be read, and is not right.
    #[error(transparent)]
    Wrong(#[from] LocatedError),
}

/// Reads a config that needs nothing but what is on this machine.
///
/// # Errors
/// With everything that is wrong with it; values that are to come from secrets are.
pub(crate) fn load(file: &Path) -> Result<Config, ConfigError> {
    Draft::read(file)?.finish()
}

/// Reads a config to look at it: what is to come from secrets is left out.
///
/// # Errors
/// With everything that is wrong with it.
pub(crate) fn load_without_secrets(file: &Path) -> Result<Config, ConfigError> {
    Draft::read(file)?.without_secrets().finish()
}
