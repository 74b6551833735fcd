//! Where an engine writes: the log of the task it runs.

use std::fmt;

/// How much a line of the worker's own matters. Taskcluster's viewers colour lines by the prefix made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For whoever debugs the worker.
    Debug,
    /// The course of things.
    Info,
    /// Something is off, the task goes on.
    Warn,
    /// Why the task will not succeed.
    Error,
}

/// The task's log. There is one writer behind all clones, so what is written in order stays in order.
///
/// Both methods may block for as long as the disk does: call them from a thread that may block. Neither fails: a log
/// that can't be written any more says so once in the worker's own log.
pub trait LogSink: fmt::Debug + Send + Sync {
    /// Appends what the task printed, as it is. Does nothing once the log is closed.
    fn write(&self, bytes: &[u8]);

    /// Appends a line of the worker's own, on a new line, with the prefix of its level. `text` holds no prefix and no
    /// line end; line ends inside it begin further lines of the same level. Does nothing once the log is closed.
    fn line(&self, level: LogLevel, text: &str);
}

/// Whether a character in a line does something beside being seen: control characters, other line ends, and the marks that
/// reorder text. Where others have written the line, it is shown by its number, so that nothing but the worker can make a line
/// that looks like the worker's.
#[must_use]
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
