//! `log`: lines in the task's and in the worker's log. Always granted.

use engine_api::LogLevel;

use crate::{
    bindings::latest::taskcluster::plugin::log::{Host, Level},
    state::State,
};

impl Host for State {
    fn task(&mut self, level: Level, line: String) -> wasmtime::Result<()> {
        self.task_line(level.into(), &line);
        Ok(())
    }

    fn worker(&mut self, level: Level, line: String) -> wasmtime::Result<()> {
        self.worker_line(level.into(), &line);
        Ok(())
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}
