//! The protocol by which worker-runner and the worker that it has started talk to each other.
//!
//! ```text
//! worker-runner ── welcome ──► worker          each a line: ~{"type": …}
//!               ◄─── hello ───                 only what both have among their capabilities is sent from now on
//!               ── graceful-termination, new-credentials ──►
//!               ◄─── log, error-report, shutdown ───
//! ```
//!
//! Both ways are served by a thread of its own: standard input and output may be anything, and neither may hold up the
//! worker. [`Link`] says, [`Connection`] owns the threads and hears.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use queue::wire::Credentials;
use tokio::sync::{mpsc, watch};

mod input;
mod log;
mod message;
mod outbox;

pub(crate) use message::{Capability, ErrorReport, RunningTasks};

use input::{Input, Line, Lines};
use message::{Incoming, Outgoing, parse};
use outbox::{Gone, Outbox, Writer};

/// How many instructions may wait for the worker. worker-runner has a few in a worker's life.
const INSTRUCTIONS: usize = 16;
/// How long the last lines may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// A pipe can't be opened.
    #[error("worker-runner's pipe {path:?} can't be opened")]
    Pipe {
        /// The pipe.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Standard input or output can't be used, or there are no threads for them.
    #[error("standard input and output can't be used for worker-runner's protocol")]
    Stdio(#[source] io::Error),
}

/// What worker-runner wants the worker to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// To end.
    Terminate(RunningTasks),
    /// To sign with other credentials from now on.
    UseCredentials(Credentials),
}

/// How far the two sides have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Agreement {
    /// worker-runner has not said its welcome.
    #[default]
    Waiting,
    /// Both have greeted, and have these in common.
    Capable(BTreeSet<Capability>),
    /// worker-runner has closed its side without a welcome.
    Silent,
}

/// Says things to worker-runner. Never waits. Clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    outbox: Outbox,
    agreement: Arc<watch::Sender<Agreement>>,
    plain: Plain,
}

/// Where lines go that can't be sent as messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    /// To standard error, which worker-runner lets through.
    StandardError,
    /// Into the pipe, whose reader takes for log what is no message.
    Pipe,
}

/// The connection with the worker-runner that has started this process.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    instructions: mpsc::Receiver<Instruction>,
    /// Ends the reader when it is dropped.
    end_reader: UnixStream,
    reader: JoinHandle<()>,
    writer: Writer,
}

impl Connection {
    /// Over standard input and output. Nothing else may use them from now on.
    ///
    /// # Errors
    /// When they can't be used.
    pub(crate) fn over_stdio() -> Result<Self, ConnectError> {
        let own = |fd: io::Result<OwnedFd>| fd.map(File::from).map_err(ConnectError::Stdio);
        let input = own(io::stdin().as_fd().try_clone_to_owned())?;
        let output = own(io::stdout().as_fd().try_clone_to_owned())?;
        Self::open(input, output, Plain::StandardError)
    }

    /// Over two named pipes: worker-runner reads `<pipe>-input` and writes `<pipe>-output`. Waits for it to open them.
    ///
    /// # Errors
    /// When one is not there.
    pub(crate) fn over_pipe(pipe: &Path) -> Result<Self, ConnectError> {
        let open = |suffix: &str, options: &OpenOptions| {
            let mut path = pipe.as_os_str().to_owned();
            path.push(suffix);
            options.open(&path).map_err(|source| ConnectError::Pipe {
                path: path.into(),
                source,
            })
        };
        let output = open("-input", OpenOptions::new().write(true))?;
        let input = open("-output", OpenOptions::new().read(true))?;
        Self::open(input, output, Plain::Pipe)
    }

    fn open(input: File, output: File, plain: Plain) -> Result<Self, ConnectError> {
        let (end_reader, ended) = UnixStream::pair().map_err(ConnectError::Stdio)?;
        let (outbox, writer) = Outbox::open(output).map_err(ConnectError::Stdio)?;
        let link = Link {
            outbox,
            agreement: Arc::default(),
            plain,
        };
        let (instruct, instructions) = mpsc::channel(INSTRUCTIONS);
        let hearer = Hearer {
            link: link.clone(),
            instruct,
        };
        let reader = thread::Builder::new()
            .name("from-worker-runner".to_owned())
            .spawn(move || hearer.hear(Lines::new(Input::new(input, ended))))
            .map_err(ConnectError::Stdio)?;
        Ok(Self {
            link,
            instructions,
            end_reader,
            reader,
            writer,
        })
    }

    /// Says things to worker-runner.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Waits for worker-runner's welcome, until `patience` is over or worker-runner has gone.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn greeted(&self, patience: Duration) {
        let mut agreement = self.link.agreement.subscribe();
        let greeted = agreement.wait_for(|agreement| *agreement != Agreement::Waiting);
        // A welcome that comes later is answered all the same.
        let _ = tokio::time::timeout(patience, greeted).await;
    }

    /// The next thing that worker-runner wants; none once it has gone.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn instruction(&mut self) -> Option<Instruction> {
        self.instructions.recv().await
    }

    /// Writes what is left to say, as far as worker-runner reads it within a few seconds, and joins the threads.
    pub(crate) fn end(self) {
        let Self {
            instructions,
            end_reader,
            reader,
            writer,
            ..
        } = self;
        // In this order: the reader may be waiting for room.
        drop(instructions);
        drop(end_reader);
        // A panic of the thread has been told by its own message.
        let _ = reader.join();
        writer.end(LAST_WORDS);
    }
}

impl Link {
    /// Whether both sides have a capability. Nobody has one before the welcome.
    pub(crate) fn capable(&self, capability: Capability) -> bool {
        matches!(&*self.agreement.borrow(), Agreement::Capable(common) if common.contains(&capability))
    }

    /// Says a line of the log: as a message where worker-runner takes those.
    pub(crate) fn say(&self, line: &str) {
        let said = if self.capable(Capability::Log) {
            let message = Outgoing::Log(line).line();
            self.outbox
                .log(message, |count| Outgoing::Log(&lines_dropped(count)).line())
        } else {
            match self.plain {
                Plain::Pipe => self.outbox.log(plain(line), |count| plain(&lines_dropped(count))),
                Plain::StandardError => Err(Gone),
            }
        };
        if said == Err(Gone) {
            // Where that is gone too, nobody listens any more.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Tells those who look after the pool that something is broken here. Answers whether worker-runner takes that.
    pub(crate) fn report_error(&self, report: &ErrorReport) -> bool {
        self.capable(Capability::ErrorReport)
            && self.outbox.send(Outgoing::ErrorReport(report).line()).is_ok()
    }

    /// Says that the machine is not wanted any more. Answers whether worker-runner takes that.
    pub(crate) fn shut_down(&self) -> bool {
        self.capable(Capability::Shutdown) && self.outbox.send(Outgoing::Shutdown.line()).is_ok()
    }
}

/// Hears what worker-runner says.
#[derive(Debug)]
struct Hearer {
    link: Link,
    instruct: mpsc::Sender<Instruction>,
}

impl Hearer {
    fn hear(self, mut lines: Lines<Input>) {
        let last = loop {
            match lines.next() {
                Ok(Some(Line::Whole(line))) => match parse(&line) {
                    Ok(message) => self.take(message),
                    Err(error) => tracing::debug!(%error, "worker-runner said what is no message"),
                },
                Ok(Some(Line::TooLong)) => tracing::debug!("worker-runner said a line that is too long"),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.link.agreement.send_if_modified(|agreement| {
            let silent = *agreement == Agreement::Waiting;
            if silent {
                *agreement = Agreement::Silent;
            }
            silent
        });
        match last {
            // The worker itself has ended it.
            _ if self.instruct.is_closed() => {}
            // As generic-worker does: the tasks may be fine, and the worker's own ends come without worker-runner too.
            Ok(()) => tracing::warn!("worker-runner says nothing more, going on without it"),
            Err(error) => {
                tracing::warn!(%error, "worker-runner can't be heard any more, going on without it")
            }
        }
    }

    fn take(&self, message: Incoming) {
        match message {
            Incoming::Welcome(common) => {
                // The answer goes before everything that it permits.
                let _ = self.link.outbox.send(Outgoing::Hello.line());
                self.link.agreement.send_replace(Agreement::Capable(common));
            }
            Incoming::GracefulTermination(tasks) => self.instruct(Instruction::Terminate(tasks)),
            Incoming::NewCredentials(credentials) => self.instruct(Instruction::UseCredentials(credentials)),
            Incoming::Unknown(kind) => tracing::debug!(kind, "worker-runner said something unknown"),
        }
    }

    fn instruct(&self, instruction: Instruction) {
        // Fails when the worker is ending already.
        let _ = self.instruct.blocking_send(instruction);
    }
}

/// Reads everything that an input says, to its end, and answers how many of its lines are messages and how many are not: what
/// a worker hears, for the fuzz targets.
///
/// # Errors
/// When it can't be read.
pub(crate) fn count_messages(input: impl io::Read) -> io::Result<(usize, usize)> {
    let mut lines = Lines::new(input);
    let (mut messages, mut others) = (0, 0);
    while let Some(line) = lines.next()? {
        let is_message = matches!(line, Line::Whole(line) if parse(&line).is_ok());
        *(if is_message { &mut messages } else { &mut others }) += 1;
    }
    Ok((messages, others))
}

/// A line of the log as worker-runner gets it that takes no messages, for the fuzz targets.
pub(crate) fn plain_line(line: &str) -> Vec<u8> {
    plain(line)
}

/// A line that is no message, whatever it says.
fn plain(line: &str) -> Vec<u8> {
    let mut text = String::with_capacity(line.len() + 2);
    for line in line.lines() {
        if line.trim_start().starts_with('~') {
            text.push_str("| ");
        }
        text.push_str(line);
        text.push('\n');
    }
    text.into_bytes()
}

fn lines_dropped(count: u64) -> String {
    format!("{count} lines of the log were dropped: worker-runner did not read them")
}

#[cfg(test)]
mod tests;
