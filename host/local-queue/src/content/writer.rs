//! Writes the bytes of one artifact. What is large goes past the page cache: it must be on the disk before anybody hears of it,
//! so that to copy it into memory first takes a core, and memory, for nothing.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};

use super::blocking;

/// Bytes are written in pieces of this size.
const PIECE: usize = 1 << 20;
/// What is shorter goes through the page cache: it is read again soon, and a disk is not what it waits for.
const LARGE: u64 = 16 << 20;
/// What the addresses and lengths of memory and of a disk's blocks are multiples of.
const ALIGNMENT: usize = 4 << 10;

/// A file that is written from its beginning to its end.
#[derive(Debug)]
pub(super) struct Writer {
    /// None while a piece is being written, and when that has failed.
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    file: File,
    /// Whether the file is written past the page cache.
    direct: bool,
    piece: Piece,
}

/// Memory that begins at an aligned address.
#[derive(Debug)]
struct Piece {
    memory: Vec<u8>,
    begin: usize,
    capacity: usize,
}

impl Writer {
    /// Makes a file for `length` bytes.
    pub(super) async fn create(path: &Path, length: u64) -> io::Result<Self> {
        let path = path.to_owned();
        let parts = blocking(move || {
            let (file, direct) = create(&path, length)?;
            let piece = Piece::new(if length < LARGE { length as usize } else { PIECE });
            Ok(Parts { file, direct, piece })
        })
        .await?;
        Ok(Self { parts: Some(parts) })
    }

    /// Takes in some more bytes.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let parts = self.parts.as_mut().ok_or_else(broken)?;
            let taken = parts.piece.take(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            if parts.piece.is_full() {
                self.with_parts(Parts::write_piece).await?;
            }
        }
        Ok(())
    }

    /// Writes what is left. All bytes are on the disk then.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.with_parts(|parts| {
            parts.write_piece()?;
            parts.file.sync_all()
        })
        .await
    }

    async fn with_parts(
        &mut self,
        work: impl FnOnce(&mut Parts) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut parts = self.parts.take().ok_or_else(broken)?;
        let parts = blocking(move || work(&mut parts).map(|()| parts)).await?;
        self.parts = Some(parts);
        Ok(())
    }
}

impl Parts {
    fn write_piece(&mut self) -> io::Result<()> {
        if self.direct && !self.piece.is_full() {
            // The end of a file is not a whole block.
            self.through_the_cache()?;
        }
        match self.file.write_all(self.piece.bytes()) {
            // A disk with larger blocks; nothing was written.
            Err(error) if self.direct && error.raw_os_error() == Some(libc::EINVAL) => {
                self.through_the_cache()?;
                self.file.write_all(self.piece.bytes())?;
            }
            written => written?,
        }
        self.piece.clear();
        Ok(())
    }

    fn through_the_cache(&mut self) -> io::Result<()> {
        let flags = OFlag::from_bits_retain(fcntl(&self.file, FcntlArg::F_GETFL)?);
        fcntl(&self.file, FcntlArg::F_SETFL(flags.difference(OFlag::O_DIRECT)))?;
        self.direct = false;
        Ok(())
    }
}

impl Piece {
    fn new(capacity: usize) -> Self {
        let mut memory: Vec<u8> = Vec::with_capacity(capacity + ALIGNMENT);
        // Where an address can't be aligned, the disk says so and the cache serves.
        let begin = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        memory.resize(begin, 0);
        Self {
            memory,
            begin,
            capacity,
        }
    }

    /// Takes in as many bytes as there is room for, and answers how many.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity - self.bytes().len());
        self.memory
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        taken
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.begin..).unwrap_or_default()
    }

    fn is_full(&self) -> bool {
        self.bytes().len() == self.capacity
    }

    fn clear(&mut self) {
        self.memory.truncate(self.begin);
    }
}

/// Makes a file, and answers whether it is written past the page cache.
fn create(path: &Path, length: u64) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if length >= LARGE {
        match options.clone().custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => return Ok((file, true)),
            // A file system in memory has nothing to go past.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                // Some make the file and then say so.
                let _ = std::fs::remove_file(path);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((options.open(path)?, false))
}

fn broken() -> io::Error {
    io::Error::other("an earlier piece could not be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_in_pieces_of_any_length_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, ALIGNMENT, PIECE + 1, LARGE as usize, LARGE as usize + 4_097] {
            let path = folder.path().join(length.to_string());
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut writer = Writer::create(&path, length as u64).await.unwrap();
            for piece in bytes.chunks(100_003) {
                writer.write(piece).await.unwrap();
            }
            writer.finish().await.unwrap();
            assert!(std::fs::read(&path).unwrap() == bytes, "{length}");
        }
    }
}
