//! Reading a log while it is written, and after.

use std::{io, os::unix::fs::FileExt as _, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use engine_api::{Content, ContentReader};
use futures_util::{Stream, stream};
use tokio::{io::AsyncReadExt as _, sync::watch};

use super::{LogLength, Shared};

/// The most that a follower has in memory, in bytes.
const CHUNK: u64 = 128 << 10;

/// Reads a log, and can't write it. Clones read the same log, which stays in existence for as long as one of them does.
#[derive(Clone, Debug)]
pub struct LogReader(Arc<Shared>);

impl LogReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// How long the log is now.
    #[must_use]
    pub fn length(&self) -> LogLength {
        *self.0.length.borrow()
    }

    /// Follows the log from a byte on, until it is closed. Beyond its end it waits until the log is that long.
    #[must_use]
    pub fn follow(&self, from: u64) -> LogFollower {
        self.range(from, u64::MAX)
    }

    /// The same up to byte `end`, which is not part of it.
    #[must_use]
    pub fn range(&self, from: u64, end: u64) -> LogFollower {
        LogFollower {
            log: Arc::clone(&self.0),
            length: self.0.length.subscribe(),
            offset: from,
            end,
        }
    }
}

/// Reads a log at its own pace. Any number of them may, none delays the writer.
#[derive(Debug)]
pub struct LogFollower {
    log: Arc<Shared>,
    length: watch::Receiver<LogLength>,
    offset: u64,
    end: u64,
}

impl LogFollower {
    /// The next bytes, at most 128 KiB, as soon as there are any; none once the log is closed and read to its end.
    ///
    /// # Errors
    /// When the file can't be read.
    ///
    /// # Cancel safety
    /// Dropped before it is ready it has read nothing.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let (offset, end) = (self.offset, self.end);
        let grown = self
            .length
            .wait_for(|now| offset >= end || now.bytes > offset || now.closed)
            .await;
        // The sender is in the log, which we hold.
        let available = grown
            .map_err(|_| io::ErrorKind::BrokenPipe)?
            .bytes
            .min(end)
            .saturating_sub(offset);
        if available == 0 {
            return Ok(None);
        }
        let size = usize::try_from(available.min(CHUNK)).unwrap_or(usize::MAX);
        let file = Arc::clone(self.log.file.file());
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; size];
            file.read_exact_at(&mut buffer, offset)
                .map(|()| Bytes::from(buffer))
        });
        let bytes = read.await.map_err(io::Error::other)??;
        self.offset += bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// The same as a stream. It ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold(self, |mut follower| async move {
            let next = follower.next().await?;
            Ok(next.map(|bytes| (bytes, follower)))
        })
    }
}

/// The whole log, once it is closed.
pub(super) fn content(shared: &Arc<Shared>) -> Option<Arc<dyn Content>> {
    let LogLength { bytes, closed } = *shared.length.borrow();
    closed.then(|| -> Arc<dyn Content> {
        Arc::new(LogContent {
            log: Arc::clone(shared),
            size: bytes,
        })
    })
}

#[derive(Debug)]
struct LogContent {
    log: Arc<Shared>,
    size: u64,
}

#[async_trait]
impl Content for LogContent {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self) -> io::Result<ContentReader> {
        // The log is held here and the folder is the worker's alone, so the name is still this file's.
        let file = tokio::fs::File::open(self.log.file.path()).await?;
        Ok(Box::new(file.take(self.size)))
    }
}
