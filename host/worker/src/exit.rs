//! The exit statuses of every command, in one place.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As it should: the task completed, the worker stopped when it was asked to, the plugin would be loaded.
    Success,
    /// The task failed, or the plugin that was checked would not be loaded.
    Failed,
    /// The command line, the config or the task's file is wrong; nothing was begun.
    Usage,
    /// The task was resolved as an exception.
    Exception,
    /// What was asked for could not be done: no queue, no engine, no plugins, …
    CouldNotRun,
    /// Ended by a signal before everything was cleaned up.
    Signal(u8),
}

impl Exit {
    /// The number that the process ends with.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            // The same as clap's.
            Self::Usage => 2,
            Self::Exception => 3,
            Self::CouldNotRun => 4,
            // As shells have it.
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
