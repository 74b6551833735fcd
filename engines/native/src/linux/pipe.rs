//! The pipe through which a task's output comes.

use std::{
    io::{self, PipeReader, PipeWriter, Read},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::PollTimeout,
};

/// How large the pipe is made: the most that Linux gives to those who may not do everything. A task that prints fast is
/// switched away from once per megabyte, not once per 64 KiB.
const WANTED_CAPACITY: i32 = 1 << 20;

/// The end that is read. It never blocks.
#[derive(Debug)]
pub(crate) struct OutputPipe {
    reader: PipeReader,
    capacity: usize,
    open: bool,
}

/// What one read found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

impl OutputPipe {
    /// A pipe, and the end that the task gets.
    pub(crate) fn new() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        // The flag is of this end's open file alone: the task's end stays as programs expect it.
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Refused to a user who holds many large pipes already; then it stays as it is.
        let capacity = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(WANTED_CAPACITY))
            .or_else(|_| fcntl(&reader, FcntlArg::F_GETPIPE_SZ))?;
        let capacity = usize::try_from(capacity).map_err(io::Error::other)?;
        Ok((
            Self {
                reader,
                capacity,
                open: true,
            },
            writer,
        ))
    }

    /// How much it holds, in bytes: the most that can be left in it when nobody writes any more.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The reading end, to be polled; none once its end has been read.
    pub(crate) fn open(&self) -> Option<&PipeReader> {
        self.open.then_some(&self.reader)
    }

    /// Reads what is there, without waiting for more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Output> {
        loop {
            return match self.reader.read(buffer) {
                Ok(0) => {
                    self.open = false;
                    Ok(Output::End)
                }
                Ok(length) => Ok(Output::Bytes(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Output::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// A time-out for `poll`: rounded up, so that what was to have passed has passed; none waits for ever.
pub(crate) fn poll_timeout(remaining: Option<Duration>) -> PollTimeout {
    remaining.map_or(PollTimeout::NONE, |remaining| {
        PollTimeout::try_from(remaining + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    })
}
