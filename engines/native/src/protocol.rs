//! What the worker and a task's supervisor say to each other: lines of JSON over a socket that is the supervisor's standard
//! input.
//!
//! ```text
//! worker                      supervisor
//!   Spec               ──▶
//!   Run(0)             ──▶    runs the first command
//!                      ◀──    Ended
//!   Run(1)             ──▶    the next, if the one before was successful
//!                      ◀──    Ended
//!   End                ──▶    kills what is left
//!                      ◀──    Gone
//! ```
//!
//! Instead of `Run` and `End`, and at any time, the worker may say `Kill` or `Abort`, which are answered by `Gone` as well. The
//! worker tells each command to run, so that what it writes to the log before a command stands there before what the command
//! prints. A closed socket means that the other side is dead.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The longest line that is read. A payload has 1 MiB at most, its environment comes on top, and JSON may escape each byte.
const LINE_LIMIT: usize = 64 << 20;

/// A task, as its supervisor sees it. The supervisor is started in the task's directory.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) commands: Vec<Vec<String>>,
    /// All of it, base and additions.
    pub(crate) environment: BTreeMap<String, String>,
    /// The directory of the run's cgroup.
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) kill_grace: Duration,
    /// The soft limit of open files that commands have: the worker's own, before it raised it.
    pub(crate) open_files: Option<u64>,
}

/// What the worker says after the [`Spec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run the command with this index.
    Run(usize),
    /// All commands have ended: end what they left.
    End,
    /// Ask all processes to end (TERM), and kill them when the grace is over.
    Kill,
    /// Kill all processes now.
    Abort,
}

/// What the supervisor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The command has ended.
    Ended(CommandEnd),
    /// No process of the task is left, and this one ends.
    Gone {
        /// How many processes the commands had left behind, which were killed.
        strays: usize,
    },
    /// The supervisor can't go on, and ends.
    Broken(String),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandEnd {
    pub(crate) how: HowEnded,
    pub(crate) wall: Duration,
    /// Of the command and of all processes that ended before it and had been waited for.
    pub(crate) user: Duration,
    pub(crate) kernel: Duration,
}

/// Which way a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HowEnded {
    /// With this code.
    Exited(i32),
    /// By the signal with this number.
    Signaled(i32),
    /// It could not be executed, for the reason with this number.
    NotExecuted(i32),
}

/// A side of the socket.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Line {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Says something. Messages after the first are so short that they never wait for the other side to read.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }

    /// Waits for what the other side says next. None when it is dead.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads once, which waits unless the socket is readable. Answers false when the other side is dead.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let length = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was said and not read when the other side died.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                answer => break answer?,
            }
        };
        if self.received.len() + length > LINE_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
        }
        self.received
            .extend_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(length > 0)
    }

    /// The next message that was read.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(end) = self.received.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.received.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order_and_the_end_is_seen() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut one, mut other) = (Line::new(one), Line::new(other));
        let spec = Spec {
            commands: vec![vec!["a\n\"b".to_owned(), String::new()]],
            environment: BTreeMap::from([("NAME".to_owned(), "x".repeat(100_000))]),
            cgroup: None,
            kill_grace: Duration::from_millis(1500),
            open_files: Some(1024),
        };
        let sent = Spec {
            commands: spec.commands.clone(),
            environment: spec.environment.clone(),
            ..spec
        };
        let sender = std::thread::spawn(move || {
            one.send(&sent).unwrap();
            one.send(&Request::Run(0)).unwrap();
            one.send(&Request::Kill).unwrap();
        });
        assert_eq!(
            other.receive::<Spec>().unwrap().unwrap().environment,
            spec.environment
        );
        assert_eq!(other.receive().unwrap(), Some(Request::Run(0)));
        assert_eq!(other.receive().unwrap(), Some(Request::Kill));
        sender.join().unwrap();
        assert_eq!(other.receive::<Request>().unwrap(), None);
    }
}
