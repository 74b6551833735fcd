//! A file of a task, as content that can be read more than once.

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use engine_api::{Content, ContentReader, ExtractError};
use tokio::io::{AsyncRead, ReadBuf, Take};

use super::{
    beneath::{self, Found, Kind},
    locate::Located,
};

/// A regular file, found again by its path each time it is opened.
#[derive(Debug)]
pub(crate) struct TaskFile {
    place: Located,
    size: u64,
    terms: Terms,
}

/// On which terms the files of a run are handed out.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The most bytes that one may have.
    max_bytes: u64,
    /// Set when the run was disposed of: nothing is handed out or opened from then on.
    disposed: Arc<AtomicBool>,
}

impl Terms {
    /// Files of at most so many bytes.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            disposed: Arc::default(),
        }
    }

    /// The run is disposed of: that goes for all clones.
    pub(crate) fn end(&self) {
        self.disposed.store(true, Ordering::SeqCst);
    }

    /// Whether the run was disposed of.
    pub(crate) fn is_over(&self) -> bool {
        self.disposed.load(Ordering::SeqCst)
    }
}

/// Gives exactly as many bytes as were promised, or an error.
struct Exactly {
    file: Take<tokio::fs::File>,
}

impl TaskFile {
    /// The file that was found at a place.
    pub(crate) fn new(place: Located, found: &Found, terms: Terms) -> Result<Arc<Self>, ExtractError> {
        match found.kind() {
            Kind::File => {}
            Kind::Folder => return Err(ExtractError::WrongKind("a folder")),
            Kind::Link => return Err(ExtractError::WrongKind("a link")),
            Kind::Other(kind) => return Err(ExtractError::WrongKind(kind)),
        }
        if found.size() > terms.max_bytes {
            return Err(ExtractError::TooLarge {
                limit: terms.max_bytes,
            });
        }
        // That it can't be read is to be known now, and not when a part of it was uploaded.
        found
            .open()
            .map_err(|error| ExtractError::NotReadable(error.to_string()))?;
        Ok(Arc::new(Self {
            place,
            size: found.size(),
            terms,
        }))
    }

    async fn opened(&self) -> io::Result<std::fs::File> {
        if self.terms.is_over() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the run was disposed of"));
        }
        let (place, size) = (self.place.clone(), self.size);
        tokio::task::spawn_blocking(move || Self::reopen(&place, size)).await?
    }

    fn reopen(place: &Located, size: u64) -> io::Result<std::fs::File> {
        let found = beneath::find(place.root.as_fd(), &place.path).map_err(|error| match error {
            ExtractError::Missing => io::Error::new(io::ErrorKind::NotFound, error),
            error => io::Error::other(error),
        })?;
        if found.kind() != Kind::File || found.size() != size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the file has changed since it was found: it had {size} bytes"),
            ));
        }
        found.open()
    }
}

#[async_trait]
impl Content for TaskFile {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self) -> io::Result<ContentReader> {
        let file = tokio::fs::File::from_std(self.opened().await?);
        let file = tokio::io::AsyncReadExt::take(file, self.size);
        Ok(Box::new(Exactly { file }))
    }

    async fn open_file(&self) -> io::Result<Option<std::fs::File>> {
        self.opened().await.map(Some)
    }
}

impl AsyncRead for Exactly {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        std::task::ready!(Pin::new(&mut self.file).poll_read(context, buffer))?;
        let missing = self.file.limit();
        if buffer.filled().len() == before && missing > 0 {
            let message =
                format!("the file has become shorter while it was read: {missing} bytes are missing");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        Poll::Ready(Ok(()))
    }
}
