//! The loader for the fuzz targets in `tests/fuzz`: the code that serves a worker, started once for many files.

use std::{path::Path, sync::Arc};

use crate::{
    directory::read_anywhere,
    host::OpenError,
    inspection::InspectOptions,
    loader::{Found, Purpose},
    machine::Machine,
    report::PluginReport,
};

/// Looks at one file after the other, as [`inspect_file`](crate::inspect_file) does.
#[derive(Debug)]
pub struct Inspector(Machine);

impl Inspector {
    /// Starts what all of them need.
    ///
    /// # Errors
    /// When plugins can't be run here at all.
    pub fn start(options: InspectOptions) -> Result<Self, OpenError> {
        let config = Arc::new(options.config);
        Ok(Self(Machine::start(config, options.compiler, options.progress)?))
    }

    /// Looks at a file. None where it can't be read.
    pub async fn look(&self, path: &Path) -> Option<PluginReport> {
        let found = Found {
            file: read_anywhere(path).ok()?,
            problems: Vec::new(),
        };
        let outcome = self.0.load(vec![found], Purpose::Tell).await.pop()?;
        Some(outcome.report)
    }

    /// Ends the threads.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}
