//! The embedded services, started for the checks in a directory of their own.

use std::{ffi::OsStr, fs};

use anyhow::Context as _;
use taskcluster::Credentials;
use tempfile::TempDir;

use crate::{deployment::Deployment, process::Process};

/// `taskcluster-worker queue`.
#[derive(Debug)]
pub(crate) struct Services {
    deployment: Deployment,
    process: Process,
    _directory: TempDir,
}

impl Services {
    /// Starts them on a free port.
    ///
    /// # Errors
    ///
    /// If they don't start.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("tcw-checks-").tempdir()?;
        let state = directory.path().join("queue");
        let arguments = ["queue", "--listen", "127.0.0.1:0", "--directory"].map(OsStr::new);
        let arguments = [&arguments[..], &[state.as_os_str()]].concat();
        let mut process = Process::start(directory.path(), &arguments, |_| ())?;
        // The line after that of the root URL says that that one is whole.
        let out = process.until_out("credentials:")?;
        let root_url = out
            .lines()
            .find_map(|line| line.strip_prefix("root URL:"))
            .context("the services don't say where they are")?;
        let credentials = fs::read(state.join("credentials.json")).context("credentials.json")?;
        let credentials: serde_json::Value = serde_json::from_slice(&credentials)?;
        let field = |name: &str| {
            let text = credentials.get(name).and_then(serde_json::Value::as_str);
            text.with_context(|| format!("credentials.json has no {name}"))
        };
        let credentials = Credentials::new(field("clientId")?, field("accessToken")?);
        Ok(Self {
            deployment: Deployment::embedded(root_url.trim().to_owned(), credentials),
            process,
            _directory: directory,
        })
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The end of what they have said.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
