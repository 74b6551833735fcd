//! The thread of a task.

use std::{
    io,
    os::{fd::AsFd, unix::process::ExitStatusExt},
    sync::Arc,
    time::{Duration, Instant},
};

use engine_api::LogSink;
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, poll},
};

use super::{Launch, Outcome, PATIENCE, Success, Wish, Wishes, report};
use crate::{
    holdings::Holdings,
    linux::{
        orphans::SupervisorProcess,
        pipe::{Output, OutputPipe, poll_timeout},
    },
    protocol::{CommandEnd, Event, HowEnded, Line, Request, Spec},
};

/// How much is read of the output at once, in bytes.
const READ: usize = 256 << 10;

/// How long a supervisor has to end what is to be aborted, before it is killed as well.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// All that the thread has.
///
/// The socket is dropped before the process: should this thread panic, the supervisor sees that, and ends the task's tree.
pub(super) struct Conductor {
    line: Line,
    supervisor: SupervisorProcess,
    holdings: Arc<Holdings>,
    output: OutputPipe,
    buffer: Vec<u8>,
    wishes: Wishes,
    /// The strongest that was passed on.
    obeyed: Wish,
    spec: Spec,
    log: Arc<dyn LogSink>,
    /// The index of the command that runs, or ran last.
    command: usize,
    running: bool,
    exit_code: Option<i32>,
    success: Success,
    /// When the supervisor is taken for dead, if it has not said that it has ended the tree.
    deadline: Option<Instant>,
}

/// How the conversation ended.
enum Parted {
    /// The supervisor said that no process is left.
    Gone,
    /// It says that it can't go on.
    Broken(String),
    /// It is dead.
    Dead,
    /// It does not answer.
    Silent,
}

/// What is ready.
struct Ready {
    told: bool,
    output: bool,
}

impl Conductor {
    pub(super) fn new(
        supervisor: SupervisorProcess,
        line: Line,
        output: OutputPipe,
        wishes: Wishes,
        launch: Launch<'_>,
    ) -> Self {
        Self {
            line,
            supervisor,
            holdings: launch.holdings,
            output,
            buffer: vec![0; READ],
            wishes,
            obeyed: Wish::GoOn,
            spec: launch.spec,
            log: launch.log,
            command: 0,
            running: false,
            exit_code: None,
            success: Success::Failed,
            deadline: None,
        }
    }

    /// Runs the task to its end. All processes of it are gone then, but for those that a killed supervisor left.
    pub(super) fn conduct(mut self) -> Outcome {
        let parted = self.converse().unwrap_or_else(|error| {
            Parted::Broken(format!("could not talk to the task's supervisor: {error}"))
        });
        // One that does not answer may have been stopped by a process of the task: then it does not end either.
        let grace = if matches!(parted, Parted::Silent) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let status = self.supervisor.end(grace);
        if matches!(parted, Parted::Gone) {
            self.holdings.processes_are_gone();
        } else if let Err(left) = self.holdings.end_processes() {
            // What disposes of the run tries again, and tells.
            tracing::warn!(directory = %self.holdings.directory().display(), "{left}");
        }
        // Nobody writes any more, but for processes that could not be ended: what is there is all that there is.
        let drained = self.drain();
        if self.running && self.obeyed == Wish::Kill {
            report::killed(self.log.as_ref());
        }
        if let Err(error) = drained {
            return Outcome::Broken(format!("could not read what the task printed: {error}"));
        }
        let killed = matches!(&status, Ok(Some(status)) if status.signal() == Some(libc::SIGKILL));
        match parted {
            _ if self.obeyed == Wish::Abort => Outcome::Aborted,
            Parted::Gone => self.outcome(),
            Parted::Silent => {
                report::supervisor_silent(self.log.as_ref());
                self.failed()
            }
            Parted::Dead if killed => {
                report::supervisor_killed(self.log.as_ref());
                self.failed()
            }
            Parted::Dead => {
                Outcome::Broken(format!("the task's supervisor ended without a word: {status:?}"))
            }
            Parted::Broken(message) => Outcome::Broken(message),
        }
    }

    fn outcome(&self) -> Outcome {
        if self.obeyed == Wish::Kill {
            return self.failed();
        }
        Outcome::Ended {
            exit_code: self.exit_code,
            success: self.success,
        }
    }

    fn failed(&self) -> Outcome {
        Outcome::Ended {
            exit_code: None,
            success: Success::Failed,
        }
    }

    fn converse(&mut self) -> io::Result<Parted> {
        // A supervisor that died at once closes the socket, which is an error here and said better below.
        if self.line.send(&self.spec).is_err() {
            return Ok(Parted::Dead);
        }
        self.obey()?;
        if self.obeyed == Wish::GoOn {
            self.run(0);
        }
        loop {
            let ready = self.wait()?;
            self.obey()?;
            if ready.told {
                let alive = self.line.fill()?;
                while let Some(event) = self.line.next()? {
                    if let Some(parted) = self.hear(event)? {
                        return Ok(parted);
                    }
                }
                if !alive {
                    return Ok(Parted::Dead);
                }
            } else if ready.output {
                self.pump()?;
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Parted::Silent);
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let (_, wake) = &*self.wishes.0;
        let mut descriptors = vec![
            PollFd::new(self.line.as_fd(), PollFlags::POLLIN),
            PollFd::new(wake.as_fd(), PollFlags::POLLIN),
        ];
        descriptors.extend(
            self.output
                .open()
                .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
        );
        let remaining = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match poll(&mut descriptors, poll_timeout(remaining)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |index: usize| descriptors.get(index).and_then(PollFd::any).unwrap_or(false);
        let ready = Ready {
            told: is_ready(0),
            output: is_ready(2),
        };
        if is_ready(1) {
            // Only to make it wait again: what is wished for is said elsewhere.
            let _ = wake.read();
        }
        Ok(ready)
    }

    /// Passes on what is wished for.
    fn obey(&mut self) -> io::Result<()> {
        let wish = self.wishes.strongest();
        if wish <= self.obeyed {
            return Ok(());
        }
        self.obeyed = wish;
        match wish {
            Wish::GoOn => {}
            Wish::Kill => self.ask(Request::Kill, self.spec.kill_grace + PATIENCE),
            Wish::Abort => {
                // At once, and also where the supervisor has been stopped.
                self.holdings.kill_cgroup();
                self.ask(Request::Abort, ABORT_PATIENCE);
            }
        }
        Ok(())
    }

    /// Says something that has to be done within a time. Where the supervisor is dead, its end is seen next.
    fn ask(&mut self, request: Request, limit: Duration) {
        let _ = self.line.send(&request);
        self.deadline = Some(Instant::now() + limit);
    }

    fn run(&mut self, index: usize) {
        if let Some(command) = self.spec.commands.get(index) {
            report::executing(self.log.as_ref(), index, command);
        }
        self.command = index;
        self.running = true;
        // Where the supervisor is dead, its end is seen next.
        let _ = self.line.send(&Request::Run(index));
    }

    fn hear(&mut self, event: Event) -> io::Result<Option<Parted>> {
        // What the task printed before the event comes before what is said of it.
        self.drain()?;
        match event {
            Event::Ended(end) => self.command_ended(&end),
            Event::Gone { strays } => {
                if self.obeyed == Wish::GoOn {
                    report::strays(self.log.as_ref(), strays);
                }
                return Ok(Some(Parted::Gone));
            }
            Event::Broken(message) => return Ok(Some(Parted::Broken(message))),
        }
        Ok(None)
    }

    fn command_ended(&mut self, end: &CommandEnd) {
        self.running = false;
        let aborted = (self.obeyed != Wish::GoOn).then_some("ABORTED");
        if let Some(command) = self.spec.commands.get(self.command) {
            report::ended(self.log.as_ref(), command, end, aborted);
        }
        self.exit_code = match end.how {
            HowEnded::Exited(code) => Some(code),
            HowEnded::Signaled(_) | HowEnded::NotExecuted(_) => None,
        };
        if self.obeyed != Wish::GoOn {
            return;
        }
        let next = self.command + 1;
        if self.exit_code == Some(0) && next < self.spec.commands.len() {
            self.run(next);
            return;
        }
        if self.exit_code == Some(0) {
            self.success = Success::Succeeded;
        }
        self.ask(Request::End, PATIENCE);
    }

    /// Takes what can be had with one read.
    fn pump(&mut self) -> io::Result<usize> {
        match self.output.read(&mut self.buffer)? {
            Output::Bytes(length) => {
                self.log.write(self.buffer.get(..length).unwrap_or_default());
                Ok(length)
            }
            Output::Nothing | Output::End => Ok(0),
        }
    }

    /// Takes what is in the pipe now, and not what is written meanwhile: a process that prints without end does not hold the
    /// end of the task up.
    fn drain(&mut self) -> io::Result<()> {
        let mut left = self.output.capacity();
        while left > 0 {
            match self.pump()? {
                0 => break,
                length => left = left.saturating_sub(length),
            }
        }
        Ok(())
    }
}
