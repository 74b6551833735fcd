//! The worker's side of a task: a supervisor's process, and the thread that talks to it and takes the task's output.
//!
//! One thread does all that concerns the running task, so that nothing has to be agreed on between threads: it writes to the
//! log what the commands print and what is said of them, in order, and passes on the wishes to kill and to abort.

mod conductor;
mod report;

use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use engine_api::LogSink;
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::oneshot;

use self::conductor::Conductor;
use crate::{
    holdings::Holdings,
    linux::{orphans::SupervisorProcess, pipe::OutputPipe},
    protocol::{Line, Spec},
};

/// How long a supervisor has for what takes no time, before it is taken for stopped or dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to start the process that supervises a task.
///
/// It must do nothing but call [`task_process_main`](crate::task_process_main). The path of the task's directory is added to
/// the arguments, so that a list of processes shows what is what.
#[derive(Clone, Debug)]
pub struct TaskProcessCommand {
    /// The path of the program.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<OsString>,
}

impl TaskProcessCommand {
    /// The program of this process, whatever is at its path by now: an upgrade that replaces the file does not get in
    /// between a worker and its supervisors.
    #[must_use]
    pub fn this_program(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: "/proc/self/exe".into(),
            args: args.into_iter().map(Into::into).collect(),
        }
    }
}

/// How a task ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All that was to run has run, or failed, or was killed.
    Ended {
        /// Of the last command that ran.
        exit_code: Option<i32>,
        /// Whether all commands ran and exited with 0, and nothing was killed.
        success: Success,
    },
    /// It was aborted.
    Aborted,
    /// The supervisor broke, which is no fault of the task's.
    Broken(String),
}

/// Whether a task did what it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    Succeeded,
    Failed,
}

/// What a running task can be told. The later ones are stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Wish {
    GoOn = 0,
    Kill = 1,
    Abort = 2,
}

/// Tells the thread of a task what to do.
#[derive(Clone, Debug)]
pub(crate) struct Wishes(Arc<(AtomicU8, EventFd)>);

/// A task that runs.
#[derive(Debug)]
pub(crate) struct TaskProcess {
    outcome: oneshot::Receiver<Outcome>,
    thread: thread::JoinHandle<()>,
}

/// What a task is started with.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) command: &'a TaskProcessCommand,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) spec: Spec,
    pub(crate) log: Arc<dyn LogSink>,
}

impl Wishes {
    fn new() -> io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self(Arc::new((AtomicU8::new(Wish::GoOn as u8), wake))))
    }

    /// Asks all processes to end, and kills them after the grace.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.wish(Wish::Kill)
    }

    /// Kills all processes.
    pub(crate) fn abort(&self) -> io::Result<()> {
        self.wish(Wish::Abort)
    }

    fn wish(&self, wish: Wish) -> io::Result<()> {
        let (strongest, wake) = &*self.0;
        strongest.fetch_max(wish as u8, Ordering::SeqCst);
        match wake.write(1) {
            // Full, so it will be woken.
            Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn strongest(&self) -> Wish {
        match self.0.0.load(Ordering::SeqCst) {
            0 => Wish::GoOn,
            1 => Wish::Kill,
            _ => Wish::Abort,
        }
    }
}

impl TaskProcess {
    /// Starts the supervisor and the thread. Takes a few milliseconds, and must not be called where nothing may block.
    pub(crate) fn start(launch: Launch<'_>) -> io::Result<(Self, Wishes)> {
        let wishes = Wishes::new()?;
        let (control, others_control) = UnixStream::pair()?;
        let (output, others_output) = OutputPipe::new()?;
        // Without pre_exec, so that it is a posix_spawn: the worker may be large, and is not copied.
        let mut command = Command::new(&launch.command.program);
        command
            .arg0("taskcluster-worker")
            .args(&launch.command.args)
            .arg(launch.holdings.directory())
            .env_clear()
            .current_dir(launch.holdings.directory())
            .stdin(OwnedFd::from(others_control))
            .stdout(others_output.try_clone()?)
            .stderr(Stdio::from(others_output));
        let supervisor = SupervisorProcess::spawn(&mut command)?;
        launch.holdings.processes_begin();
        // The command has copies of the other ends: the end of the pipe could not be seen as long as it lives.
        drop(command);
        let conductor = Conductor::new(supervisor, Line::new(control), output, wishes.clone(), launch);
        let (sender, outcome) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("native-task".to_owned())
            .spawn(move || {
                // Where nobody waits any more, the outcome is of interest to nobody.
                let _ = sender.send(conductor.conduct());
            })?;
        Ok((Self { outcome, thread }, wishes))
    }

    /// Waits for the end.
    ///
    /// # Cancel safety
    /// Not to be dropped before it is ready: the thread would not be joined.
    pub(crate) async fn wait(self) -> Outcome {
        let outcome = self.outcome.await;
        // The thread has sent its outcome, or panicked and dropped the sender: it is about to end.
        let joined = self.thread.join();
        match (outcome, joined) {
            (Ok(outcome), _) => outcome,
            (Err(_), _) => Outcome::Broken("the thread that conducts the task panicked".to_owned()),
        }
    }
}
