//! A worker of ours that runs the decision task and its graph, with all plugins that come with it.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;
use tempfile::TempDir;

use crate::{deployment::Deployment, process::Process};

/// What its operator grants the plugins is what the example grants them, so that none is forgotten.
const EXAMPLE: &str = include_str!("../../examples/worker.yml");

/// `taskcluster-worker work`.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process,
    directory: TempDir,
}

impl Worker {
    /// Starts one for the task queue of the checks. Its credentials are in its environment and not in its config.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub(crate) fn start(deployment: &Deployment) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("tcw-checks-").tempdir()?;
        let config = directory.path().join("worker.yml");
        fs::write(&config, text(deployment, directory.path())).context("worker.yml")?;
        let arguments = [OsStr::new("work"), config.as_os_str()];
        let process = Process::start(directory.path(), &arguments, |command| deployment.tell(command))?;
        write_private(&directory.path().join("credentials"), &deployment.script()?)?;
        Ok(Self {
            process: process.impatient(),
            directory,
        })
    }

    /// A script that tells a task of the deployment, for the worker's user alone.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.directory.path().join("credentials")
    }

    /// The end of what it has said.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

fn text(deployment: &Deployment, directory: &Path) -> String {
    let from_environment = |name: &str| json!({"$env": name});
    let certificate = deployment.credentials().certificate.as_ref();
    let credentials = json!({
        "clientId": from_environment("TASKCLUSTER_CLIENT_ID"),
        "accessToken": from_environment("TASKCLUSTER_ACCESS_TOKEN"),
        "certificate": certificate.map(|_| from_environment("TASKCLUSTER_CERTIFICATE")),
    });
    let taskcluster = json!({"rootUrl": deployment.root_url(), "credentials": credentials});
    let worker = json!({
        "taskQueueId": deployment.task_queue_id(),
        "workerGroup": "checks",
        "workerId": "worker",
        "concurrency": 2,
        "directory": directory.join("state"),
    });
    let plugins = plugins(EXAMPLE);
    format!("taskcluster: {taskcluster}\nworker: {worker}\nengine: native\n{plugins}\n")
}

/// The section `plugins` of a config.
fn plugins(config: &str) -> String {
    let inside = |line: &&str| line.is_empty() || line.starts_with([' ', '#']);
    let mut lines = config.lines().skip_while(|line| *line != "plugins:");
    let head = lines.next().unwrap_or_default();
    let section: Vec<&str> = lines.take_while(inside).collect();
    format!("{head}\n{}", section.join("\n"))
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .context("the credentials' file")?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
