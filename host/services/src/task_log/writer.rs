//! The one writer of a log: keeps its bounds, its line starts, and its peace when the disk is full.

use std::{
    fs,
    io::{self, Write as _},
    sync::Arc,
};

use engine_api::LogLevel;

use super::{LogLength, format};

/// Appends to a file, under the lock of its log.
#[derive(Debug)]
pub(super) struct Writer {
    file: Arc<fs::File>,
    length: u64,
    max_bytes: u64,
    at_line_start: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Takes what it is given.
    Open,
    /// Full, or the disk failed: drops what it is given.
    Deaf,
    /// Over.
    Closed,
}

impl Writer {
    /// `file` is empty and open for appending.
    pub(super) fn new(file: Arc<fs::File>, max_bytes: u64) -> Self {
        Self {
            file,
            length: 0,
            max_bytes,
            at_line_start: true,
            state: State::Open,
        }
    }

    pub(super) fn length(&self) -> LogLength {
        LogLength {
            bytes: self.length,
            closed: self.state == State::Closed,
        }
    }

    /// Appends bytes as they are, as many as fit.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if self.state != State::Open || bytes.is_empty() {
            return;
        }
        let room = usize::try_from(self.max_bytes.saturating_sub(self.length)).unwrap_or(usize::MAX);
        match bytes.get(..room) {
            Some(fitting) if fitting.len() < bytes.len() => {
                self.append(fitting);
                self.full();
            }
            _ => self.append(bytes),
        }
    }

    /// Appends whole lines, on a new line.
    pub(super) fn lines(&mut self, lines: &str) {
        if self.at_line_start {
            self.bytes(lines.as_bytes());
        } else {
            // In one piece, so that it is one write.
            self.bytes(format!("\n{lines}").as_bytes());
        }
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The last line of a log that had more to say.
    fn full(&mut self) {
        if self.state != State::Open {
            return;
        }
        let text = format!(
            "the log has reached {} bytes, the most that are kept: what follows is not",
            self.max_bytes
        );
        let line = format::prefix(LogLevel::Warn)
            .map(|prefix| format::lines(&prefix, &text))
            .unwrap_or_default();
        let new_line = if self.at_line_start { "" } else { "\n" };
        self.append(format!("{new_line}{line}").as_bytes());
        if self.state == State::Open {
            self.state = State::Deaf;
        }
    }

    /// One `write(2)`, unless the system takes less than it is given.
    fn append(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match (&*self.file).write(rest) {
                Ok(0) => return self.failed(&io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.failed(&error),
            };
            let (done, left) = rest.split_at(written.min(rest.len()));
            self.length += done.len() as u64;
            self.at_line_start = done.last() == Some(&b'\n');
            rest = left;
        }
    }

    /// A full disk is no fault of the task's: it runs on, and only the worker's log tells, once.
    fn failed(&mut self, error: &io::Error) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            length = self.length,
            "a task log can't be written, the rest of it is lost"
        );
        self.state = State::Deaf;
    }
}
