//! The log of a run, as plugins see it: a line at a time, its bytes once it is closed, its address while it is not.

use std::sync::Arc;

use engine_api::{Content, LogLevel, LogSink as _};
use plugin_host::ports;
use services::{LiveLogHandle, TaskLog};

/// One run's log. The address is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct RunLog {
    log: Arc<TaskLog>,
    live: Option<LiveLogHandle>,
}

impl RunLog {
    /// The log of a run; `live` where it is served while it is written.
    pub(crate) fn new(log: Arc<TaskLog>, live: Option<LiveLogHandle>) -> Self {
        Self { log, live }
    }
}

impl ports::TaskLog for RunLog {
    fn line(&self, level: LogLevel, text: &str) {
        self.log.line(level, text);
    }

    fn content(&self) -> Option<Arc<dyn Content>> {
        self.log.content()
    }

    fn live_url(&self) -> Option<String> {
        self.live.as_ref().map(|live| live.url().to_owned())
    }
}
