//! Bytes that the host owns and that are read more than once: files of a task, logs, artifacts.

use std::{fmt, io, io::Cursor, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncRead;

/// What [`Content::open`] answers.
pub type ContentReader = Box<dyn AsyncRead + Send + Unpin>;

/// A number of bytes that can be read from their beginning as often as needed (an upload is tried again), and that are
/// never all held in memory.
#[async_trait]
pub trait Content: fmt::Debug + Send + Sync {
    /// How many bytes there are. It does not change: a reader gives exactly as many, or an error.
    fn size(&self) -> u64;

    /// A new reader at byte 0.
    ///
    /// # Errors
    /// When what is behind it is gone or can't be read.
    async fn open(&self) -> io::Result<ContentReader>;
}

/// A few bytes in memory, such as an artifact that a plugin made itself.
#[derive(Clone, Debug)]
pub struct BytesContent(Bytes);

impl BytesContent {
    /// The content of `bytes`.
    pub fn new(bytes: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self(bytes.into()))
    }
}

#[async_trait]
impl Content for BytesContent {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn open(&self) -> io::Result<ContentReader> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}
