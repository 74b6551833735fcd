//! A task log in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{LogLevel, LogSink};

/// Keeps all that is written, for a test to look at. Lines of the worker's own get the prefix `[taskcluster] `, with the
/// level (`[taskcluster:error] `) where it is not `Info`, and no time.
#[derive(Debug)]
pub struct MemoryLog {
    bytes: Mutex<Vec<u8>>,
    length: watch::Sender<usize>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Mutex::default(),
            length: watch::Sender::new(0),
        }
    }

    /// All that was written so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// The same as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// Whether `text` was written.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// Waits until `text` has been written.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn until_contains(&self, text: &str) {
        // The sender of the channel is in `self`, so the channel can't be closed while this waits.
        let _ = self.length.subscribe().wait_for(|_| self.contains(text)).await;
    }

    fn append(&self, text: &mut dyn FnMut(&mut Vec<u8>)) {
        let mut bytes = self.lock();
        text(&mut bytes);
        let length = bytes.len();
        drop(bytes);
        self.length.send_replace(length);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl LogSink for MemoryLog {
    fn write(&self, bytes: &[u8]) {
        self.append(&mut |log| log.extend_from_slice(bytes));
    }

    fn line(&self, level: LogLevel, text: &str) {
        let prefix = match level {
            LogLevel::Debug => "[taskcluster:debug] ",
            LogLevel::Info => "[taskcluster] ",
            LogLevel::Warn => "[taskcluster:warn] ",
            LogLevel::Error => "[taskcluster:error] ",
        };
        self.append(&mut |log| {
            if log.last().is_some_and(|&last| last != b'\n') {
                log.push(b'\n');
            }
            for line in text.split('\n') {
                log.extend_from_slice(prefix.as_bytes());
                log.extend_from_slice(line.as_bytes());
                log.push(b'\n');
            }
        });
    }
}
