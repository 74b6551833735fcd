//! Which artifacts a log becomes, and when.

use plugin_sdk::{
    Error, ExceptionReason,
    artifacts::{self, Encoding, Options},
    log::{self, Level},
    task_log,
};
use serde::Deserialize;

const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// The names of the two artifacts.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Names {
    pub(crate) live: String,
    pub(crate) backing: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            live: "public/logs/live.log".to_owned(),
            backing: "public/logs/live_backing.log".to_owned(),
        }
    }
}

/// What is needed of the worker.
pub(crate) trait Host {
    /// An address from which the log can be followed.
    fn live_url(&self) -> Result<String, Error>;
    /// Makes an artifact of an address, until `expires`.
    fn reference(&self, name: &str, url: &str, expires: &str) -> Result<(), Error>;
    /// Makes an artifact of the whole log.
    fn upload_log(&self, name: &str) -> Result<(), Error>;
    /// Makes an artifact lead to another.
    fn link(&self, name: &str, target: &str) -> Result<(), Error>;
    /// A line in the task's log.
    fn tell_task(&self, level: Level, line: &str);
    /// A line in the worker's log.
    fn tell_worker(&self, level: Level, line: &str);
}

/// The artifacts of a log, and how far they have come.
#[derive(Debug)]
pub(crate) struct LogArtifacts {
    /// None where it is not wanted, as the next.
    live: Option<String>,
    backing: Option<String>,
    uploaded: bool,
    linked: bool,
}

impl LogArtifacts {
    pub(crate) fn new(live: Option<String>, backing: Option<String>) -> Self {
        Self {
            live,
            backing,
            uploaded: false,
            linked: false,
        }
    }

    /// Publishes where the log can be followed. That is a service to those who watch: without it the task runs as well.
    ///
    /// The address leads nowhere once the run is over, and a run is over by its deadline: the artifact expires then, should
    /// the worker not come to replace it.
    pub(crate) fn announce(&self, host: &impl Host, deadline: &str) {
        let Some(live) = &self.live else { return };
        let announced = host
            .live_url()
            .and_then(|url| host.reference(live, &url, deadline));
        if let Err(error) = announced {
            let why = error.message();
            host.tell_task(
                Level::Warn,
                &format!("The log can't be followed at {live}: {why}"),
            );
        }
    }

    /// Stores the log, and makes what led to the live log lead to it. What was done before is not done again.
    pub(crate) fn store(&mut self, host: &impl Host) -> Result<(), Error> {
        let Some(backing) = &self.backing else {
            return Ok(());
        };
        if !self.uploaded {
            host.upload_log(backing)?;
            self.uploaded = true;
        }
        if let Some(live) = &self.live
            && !self.linked
        {
            host.link(live, backing)?;
            self.linked = true;
        }
        Ok(())
    }

    /// The same for a run that is resolved already: the queue takes artifacts of it for a while, unless it has given up the
    /// run.
    pub(crate) fn store_if_possible(&mut self, host: &impl Host, reason: ExceptionReason) {
        if let Err(error) = self.store(host) {
            let level = match reason {
                // As is to be expected.
                ExceptionReason::ClaimLost | ExceptionReason::DeadlineExceeded => Level::Info,
                ExceptionReason::MalformedPayload
                | ExceptionReason::WorkerShutdown
                | ExceptionReason::Canceled
                | ExceptionReason::ResourceUnavailable
                | ExceptionReason::IntermittentTask
                | ExceptionReason::InternalError
                | ExceptionReason::Other => Level::Warn,
            };
            let why = error.message();
            host.tell_worker(level, &format!("the log of a run could not be stored: {why}"));
        }
    }
}

/// The worker that the plugin is loaded in.
#[derive(Debug)]
pub(crate) struct Worker;

impl Host for Worker {
    fn live_url(&self) -> Result<String, Error> {
        task_log::live_url()
    }

    fn reference(&self, name: &str, url: &str, expires: &str) -> Result<(), Error> {
        artifacts::reference(name, url, &options(Some(expires.to_owned())))
    }

    fn upload_log(&self, name: &str) -> Result<(), Error> {
        artifacts::upload(name, task_log::content()?, Encoding::Gzip, &options(None))?;
        match artifacts::next_outcome() {
            Some(outcome) => outcome.uploaded.map(drop),
            None => Err(Error::Other("the upload of the log has no outcome".to_owned())),
        }
    }

    fn link(&self, name: &str, target: &str) -> Result<(), Error> {
        artifacts::link(name, target, &options(None))
    }

    fn tell_task(&self, level: Level, line: &str) {
        log::task(level, line);
    }

    fn tell_worker(&self, level: Level, line: &str) {
        log::worker(level, line);
    }
}

/// None: when the task expires.
fn options(expires: Option<String>) -> Options {
    Options {
        content_type: CONTENT_TYPE.to_owned(),
        expires,
    }
}
