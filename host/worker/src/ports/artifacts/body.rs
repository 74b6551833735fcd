//! The bytes of an artifact as they are put to the storage, which may happen several times.

use std::{io, path::Path, sync::Arc};

use async_compression::tokio::bufread::GzipEncoder;
use engine_api::{Content, ContentReader};
use plugin_host::ports::Uploaded;
use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
};

use super::digest::{Digest, Digested};

/// How many bytes are read at once: enough that the call costs little, few enough for a core's own cache.
pub(super) const CHUNK: usize = 256 << 10;

/// What is put.
#[derive(Debug)]
pub(super) enum Body {
    /// The content as it is; its hash is known once it has been read.
    Identity(Arc<dyn Content>),
    /// Compressed, in a file that is removed with this.
    Gzip {
        /// The file. Each reader opens it anew: a request that was left may still be reading.
        file: NamedTempFile,
        /// Of the file, in bytes.
        length: u64,
        /// Of the content.
        uploaded: Uploaded,
    },
}

/// Where the bytes of a body are read. How many there are is to be counted.
pub(super) enum Source {
    /// To be read on a thread that may block.
    File(std::fs::File),
    /// Anything else.
    Reader(ContentReader),
}

impl Body {
    /// Puts the content as it is.
    pub(super) fn identity(content: Arc<dyn Content>) -> Self {
        Self::Identity(content)
    }

    /// Compresses the content into a file in `scratch`.
    pub(super) async fn gzip(content: &dyn Content, scratch: &Path) -> io::Result<Self> {
        let file = NamedTempFile::new_in(scratch)?;
        let mut reader = content.open().await?;
        let mut encoder = GzipEncoder::new(BufReader::with_capacity(CHUNK, Hashing::new(&mut reader)));
        let mut sink = File::from_std(file.reopen()?);
        let length =
            tokio::io::copy_buf(&mut BufReader::with_capacity(CHUNK, &mut encoder), &mut sink).await?;
        sink.flush().await?;
        let uploaded = encoder.into_inner().into_inner().uploaded();
        if uploaded.size != content.size() {
            return Err(changed());
        }
        Ok(Self::Gzip {
            file,
            length,
            uploaded,
        })
    }

    /// Exactly how many bytes are put.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Identity(content) => content.size(),
            Self::Gzip { length, .. } => *length,
        }
    }

    /// The word for `Content-Encoding`; none where nothing needs to be said.
    pub(super) fn content_encoding(&self) -> Option<&'static str> {
        match self {
            Self::Identity(_) => None,
            Self::Gzip { .. } => Some("gzip"),
        }
    }

    /// What is to be computed while it is put: what was compressed has been hashed before.
    pub(super) fn digest(&self) -> Digest {
        match self {
            Self::Identity(_) => Digest::sha256(),
            Self::Gzip { .. } => Digest::default(),
        }
    }

    /// All bytes anew, from the first one.
    pub(super) async fn open(&self) -> io::Result<Source> {
        Ok(match self {
            Self::Identity(content) => match content.open_file().await? {
                Some(file) => Source::File(file),
                None => Source::Reader(content.open().await?),
            },
            Self::Gzip { file, .. } => Source::File(file.reopen()?),
        })
    }

    /// What was uploaded, when all of the body was read, and [`digest`](Self::digest) is this.
    pub(super) fn uploaded(&self, digested: Digested) -> Uploaded {
        match self {
            Self::Identity(content) => Uploaded {
                size: content.size(),
                sha256: digested.sha256.unwrap_or_default(),
            },
            Self::Gzip { uploaded, .. } => uploaded.clone(),
        }
    }
}

/// All bytes of a content that are few.
pub(super) async fn read(content: &dyn Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let size = content.size();
    let mut reader = content.open().await?.take(size.saturating_add(1));
    reader.read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(changed())
    }
}

/// A content that gives fewer or more bytes than it said.
pub(super) fn changed() -> io::Error {
    io::Error::other("it changed while it was read")
}

/// A reader that hashes and counts what it reads.
struct Hashing<'a> {
    reader: &'a mut ContentReader,
    hash: Digest,
    size: u64,
}

impl<'a> Hashing<'a> {
    fn new(reader: &'a mut ContentReader) -> Self {
        Self {
            reader,
            hash: Digest::sha256(),
            size: 0,
        }
    }

    fn uploaded(self) -> Uploaded {
        Uploaded {
            size: self.size,
            sha256: self.hash.finish().sha256.unwrap_or_default(),
        }
    }
}

impl tokio::io::AsyncRead for Hashing<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::pin::Pin::new(&mut *self.reader).poll_read(cx, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        self.hash.update(new);
        self.size += new.len() as u64;
        read
    }
}
