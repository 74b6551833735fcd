//! Bytes that the host owns and that are read more than once: files of a task, logs, artifacts.

use std::{fmt, fs::File, io, io::Cursor, sync::Arc};

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

    /// The file behind it, at byte 0, for who reads all of it on a thread that may block, which takes half the time. None
    /// where there is no file. It may give fewer or more bytes than [`size`](Self::size): who reads it must look.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    async fn open_file(&self) -> io::Result<Option<File>> {
        Ok(None)
    }
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
