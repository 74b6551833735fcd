//! The exit statuses of every command, in one place.

use std::process::ExitCode;

use crate::stop::Reason;

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
    /// As generic-worker has it.
    Run(RunExit),
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
            Self::Run(exit) => exit.status(),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// How `run` ended, in the statuses of generic-worker, whose place it takes: worker-runner and service managers go by them.
///
/// Those that have no meaning here never come: 65, 74 and 83 (services of other systems), 67 (the machine is to reboot between
/// two tasks), 75 to 77, 79 to 82 and 84 (of commands and of features that this worker does not have).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunExit {
    /// As many tasks were run as were to be.
    TasksDone,
    /// The config can't be read, or is no JSON.
    CanNotLoadConfig,
    /// There was nothing to do for too long.
    Idle,
    /// Something is broken, here or in what the worker needs to start.
    Internal,
    /// Worker-manager does not want the worker any more.
    WorkerManager,
    /// A person at the terminal has ended it.
    Interrupted,
    /// It was told to end: by worker-runner, by the system, by a plugin.
    Shutdown,
    /// The config can be read, and is not right.
    InvalidConfig,
    /// worker-runner can't be talked to.
    ProtocolPipe,
}

impl RunExit {
    /// The number that the process ends with.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::TasksDone => 0,
            Self::CanNotLoadConfig => 64,
            Self::Idle => 68,
            Self::Internal => 69,
            Self::WorkerManager => 70,
            Self::Interrupted => 71,
            Self::Shutdown => 72,
            Self::InvalidConfig => 73,
            Self::ProtocolPipe => 78,
        }
    }
}

impl From<Reason> for RunExit {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::TaskLimit => Self::TasksDone,
            Reason::Idle => Self::Idle,
            Reason::WorkerManager => Self::WorkerManager,
            Reason::Interrupted => Self::Interrupted,
            Reason::Terminated | Reason::Runner | Reason::CredentialsEnd | Reason::Plugin => Self::Shutdown,
            Reason::Trouble | Reason::Internal => Self::Internal,
        }
    }
}
