//! The other side of a task: the process that its commands are children of.
//!
//! A supervisor is the worker's own program, started again. It has one thread, and does in ordinary code what would otherwise
//! have to happen between fork and exec in the worker, where nothing is safe. It is the subreaper of the task: a process
//! whose parent has ended becomes a child of the supervisor, also one that has left its group and its session. So
//! "no children" proves that the task's tree is gone.
//!
//! ```text
//!   idle ──Run──▶ running ──command ended──▶ idle
//!   idle, running ──Kill──▶ grace ──all gone, or time over──▶ (kills the rest) ──▶ Gone
//!   idle, running, grace ──End, Abort──▶ (kills the rest) ──▶ Gone
//!   any ──the worker is dead──▶ (kills the rest) ──▶ exit
//! ```
//!
//! That the worker is dead shows by the closed socket. A parent-death signal would be no good: it would kill the supervisor
//! before it could clean up, and it is sent when the *thread* ends that had started it, which the worker's threads may.

mod setup;
mod tree;

use std::{
    io,
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
    sys::{
        resource::{UsageWho, getrusage},
        signal::Signal,
        time::TimeVal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use self::setup::{Command, Setup};
use crate::{
    linux::{fork::Child, pipe::poll_timeout},
    protocol::{CommandEnd, Event, HowEnded, Request},
};

/// Serves one task as its supervisor, and ends with it. To be called first thing by `main`, before there is any other
/// thread, in the process that [`TaskProcessCommand`](crate::TaskProcessCommand) starts.
///
/// The exit code tells nobody anything: all that is to be said goes to the worker.
#[must_use]
pub fn task_process_main() -> ExitCode {
    let Ok(mut setup) = setup::begin() else {
        return ExitCode::FAILURE;
    };
    let Ok(Some(spec)) = setup.line.receive() else {
        return ExitCode::FAILURE;
    };
    let mut supervisor = match setup::commands(spec) {
        Ok((commands, kill_grace)) => Supervisor::new(setup, commands, kill_grace),
        Err(error) => {
            let _ = setup.line.send(&Event::Broken(error.to_string()));
            return ExitCode::FAILURE;
        }
    };
    match supervisor.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The worker kills what the tree holds when this process ends without having said `Gone`; do what can be done here.
            tree::end(&supervisor.commands, &supervisor.setup.children);
            let _ = supervisor.setup.line.send(&Event::Broken(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

struct Supervisor {
    setup: Setup,
    commands: setup::Commands,
    kill_grace: Duration,
    running: Option<Running>,
    /// When the grace of a `Kill` is over.
    grace: Option<Instant>,
}

/// A command that runs.
struct Running {
    child: Child,
    started: Instant,
    before: Times,
}

/// What all children that were waited for have used.
#[derive(Clone, Copy)]
struct Times {
    user: Duration,
    kernel: Duration,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Serve,
    Leave,
}

impl Supervisor {
    fn new(setup: Setup, commands: setup::Commands, kill_grace: Duration) -> Self {
        Self {
            setup,
            commands,
            kill_grace,
            running: None,
            grace: None,
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            // What came together with the spec is there without the socket being readable.
            while let Some(request) = self.setup.line.next()? {
                if self.obey(request)? == Next::Leave {
                    return Ok(());
                }
            }
            let remaining = self
                .grace
                .map(|end| end.saturating_duration_since(Instant::now()));
            let (told, child_ended) = self.wait(remaining)?;
            if child_ended {
                self.setup.children.clear()?;
                if self.reap()? == Next::Leave {
                    return Ok(());
                }
            }
            if told && !self.setup.line.fill()? {
                tree::end(&self.commands, &self.setup.children);
                return Ok(());
            }
            if self.grace.is_some_and(|end| Instant::now() >= end) {
                return self.leave();
            }
        }
    }

    /// Answers whether the worker has said something, and whether a child has ended.
    fn wait(&self, limit: Option<Duration>) -> io::Result<(bool, bool)> {
        let mut descriptors = [
            PollFd::new(self.setup.line.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.setup.children.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut descriptors, poll_timeout(limit)) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok((false, false)),
            Err(error) => return Err(error.into()),
        }
        let [line, children] = descriptors.map(|descriptor| descriptor.any().unwrap_or(true));
        Ok((line, children))
    }

    fn obey(&mut self, request: Request) -> io::Result<Next> {
        match request {
            Request::Run(index) => {
                let command = self
                    .commands
                    .get(index)
                    .ok_or_else(|| io::Error::other(format!("there is no command {index}")))?;
                self.running = Some(run(command)?);
                Ok(Next::Serve)
            }
            Request::Kill => {
                self.grace = Some(Instant::now() + self.kill_grace);
                tree::signal(Signal::SIGTERM);
                // One that was stopped has to go on to see it.
                tree::signal(Signal::SIGCONT);
                self.reap()
            }
            Request::End | Request::Abort => {
                self.leave()?;
                Ok(Next::Leave)
            }
        }
    }

    /// Asks how children have ended.
    fn reap(&mut self) -> io::Result<Next> {
        loop {
            let (pid, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, HowEnded::Exited(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, HowEnded::Signaled(signal as i32)),
                Ok(WaitStatus::StillAlive) => return Ok(Next::Serve),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) if self.grace.is_some() => {
                    self.leave()?;
                    return Ok(Next::Leave);
                }
                Err(Errno::ECHILD) => return Ok(Next::Serve),
                Err(error) => return Err(error.into()),
            };
            self.ended(pid, how)?;
        }
    }

    fn ended(&mut self, pid: Pid, how: HowEnded) -> io::Result<()> {
        let Some(mut running) = self.running.take_if(|running| running.child.pid == pid) else {
            return Ok(());
        };
        let how = running
            .child
            .failure()
            .map_or(how, |error| HowEnded::NotExecuted(error as i32));
        let after = Times::now()?;
        self.setup.line.send(&Event::Ended(CommandEnd {
            how,
            wall: running.started.elapsed(),
            user: after.user.saturating_sub(running.before.user),
            kernel: after.kernel.saturating_sub(running.before.kernel),
        }))
    }

    /// Ends the tree and says so.
    fn leave(&mut self) -> io::Result<()> {
        let strays = tree::end(&self.commands, &self.setup.children);
        self.setup.line.send(&Event::Gone { strays })
    }
}

fn run(command: Command<'_>) -> io::Result<Running> {
    let before = Times::now()?;
    let started = Instant::now();
    Ok(Running {
        child: command.spawn()?,
        started,
        before,
    })
}

impl Times {
    fn now() -> io::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(Self {
            user: duration(usage.user_time()),
            kernel: duration(usage.system_time()),
        })
    }
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
