//! The log of a task: one writer in front of one file, and readers that follow it.
//!
//! Everything that a task's log holds passes through [`TaskLog`], so this is the one place that bounds it (and will mask
//! secrets). A chunk handed in is one `write(2)`. Readers read the file, not the writer: they are woken when it has grown,
//! and a slow one delays nobody.

mod format;
mod reader;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::{Content, LogLevel, LogSink};
use tokio::sync::watch;

use crate::TemporaryFile;
use writer::Writer;

pub use reader::{LogFollower, LogReader};

/// The log of a task, from its first line until it is closed. Dropping it closes it. The file is removed once nothing reads
/// it any more.
#[derive(Debug)]
pub struct TaskLog(Arc<Shared>);

/// How long a log is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLength {
    /// In bytes.
    pub bytes: u64,
    /// Whether it stays so long.
    pub closed: bool,
}

#[derive(Debug)]
struct Shared {
    writer: Mutex<Writer>,
    length: watch::Sender<LogLength>,
    file: TemporaryFile,
}

impl TaskLog {
    /// A log that is kept in an empty file and holds at most `max_bytes`, and then one line that says so.
    #[must_use]
    pub fn new(file: TemporaryFile, max_bytes: u64) -> Self {
        let (length, _) = watch::channel(LogLength {
            bytes: 0,
            closed: false,
        });
        let writer = Writer::new(Arc::clone(file.file()), max_bytes);
        Self(Arc::new(Shared {
            writer: Mutex::new(writer),
            length,
            file,
        }))
    }

    /// Ends the log: nothing more is written, followers come to their end. Closing again does nothing.
    pub fn close(&self) {
        let mut writer = self.writer();
        writer.close();
        self.0.publish(&writer);
    }

    /// The whole log; none until it is closed.
    #[must_use]
    pub fn content(&self) -> Option<Arc<dyn Content>> {
        reader::content(&self.0)
    }

    /// Follows the log from a byte on, until it is closed.
    #[must_use]
    pub fn follow(&self, from: u64) -> LogFollower {
        self.reader().follow(from)
    }

    /// For whoever reads the log and must not write it.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.0))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked has left whole bytes in the file and their number in `length`: it can be used on.
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for TaskLog {
    fn write(&self, bytes: &[u8]) {
        let mut writer = self.writer();
        writer.bytes(bytes);
        self.0.publish(&writer);
    }

    fn line(&self, level: LogLevel, text: &str) {
        let Some(prefix) = format::prefix(level) else {
            return tracing::debug!(log = ?self.0.file.path().file_name(), text, "debug line of a task");
        };
        let lines = format::lines(&prefix, text);
        let mut writer = self.writer();
        writer.lines(&lines);
        self.0.publish(&writer);
    }
}

impl Drop for TaskLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Tells the readers how far they may read. Called with the writer locked, so lengths never run backwards.
    fn publish(&self, writer: &Writer) {
        let now = writer.length();
        self.length
            .send_if_modified(|before| std::mem::replace(before, now) != now);
    }
}

#[cfg(test)]
mod tests;
