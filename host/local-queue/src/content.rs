//! The bytes of artifacts: one file each, complete and on disk before anybody hears of it.
//!
//! A file is written under `<id>.part`, flushed, and renamed to `<id>`; then the database refers to it. What nothing refers
//! to when the queue starts is left of a former life, and is removed.

mod address;
mod hashing;
mod writer;

pub(crate) use address::{Addresses, Place, Purpose};
pub(crate) use hashing::Hashing;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::fs::File;

use crate::ids;
use writer::Writer;

/// The most that one PUT takes, in bytes: as much as S3.
pub(crate) const MAX_PUT: u64 = 5 << 30;
/// An upload that sends nothing for so long is given up.
const STALL: Duration = Duration::from_secs(60);

/// Why bytes could not be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The sender went away, or sent more or less than it said.
    #[error("the body is not as long as its Content-Length")]
    Incomplete,
    /// The sender fell silent.
    #[error("nothing was sent for too long")]
    Stalled,
    /// They could not be written.
    #[error("the bytes could not be written")]
    Write(#[from] io::Error),
}

/// The directory of the files.
#[derive(Clone, Debug)]
pub(crate) struct ContentFiles {
    directory: PathBuf,
}

impl ContentFiles {
    /// Opens a directory, or makes it, and removes the files of ours that are not among the known ones. Those of others stay:
    /// a queue's directory may be mistyped. Blocks.
    pub(crate) fn open(directory: &Path, known: &HashSet<String>) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_left = name
                .to_str()
                .is_some_and(|name| is_ours(name) && !known.contains(name));
            if is_left && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Takes in exactly `length` bytes. Answers the name of the file, which is on disk then.
    ///
    /// # Cancel safety
    /// Dropped half-way it leaves at most a file that the next start removes.
    pub(crate) async fn receive<E>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
        length: u64,
    ) -> Result<String, ReceiveError> {
        let name = slugid::v4();
        let part = self.directory.join(format!("{name}.part"));
        let result = self.write(body, length, &part).await;
        if result.is_err() {
            remove(&part).await;
        }
        result?;
        let (directory, whole) = (self.directory.clone(), self.directory.join(&name));
        blocking(move || {
            fs::rename(&part, whole)?;
            fs::File::open(directory)?.sync_all()
        })
        .await?;
        Ok(name)
    }

    async fn write<E>(
        &self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
        length: u64,
        part: &Path,
    ) -> Result<(), ReceiveError> {
        let mut file = Writer::create(part, length).await?;
        let mut received = 0_u64;
        loop {
            let piece = tokio::time::timeout(STALL, body.next())
                .await
                .map_err(|_| ReceiveError::Stalled)?;
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|_| ReceiveError::Incomplete)?;
            received += piece.len() as u64;
            if received > length {
                return Err(ReceiveError::Incomplete);
            }
            file.write(&piece).await?;
        }
        if received != length {
            return Err(ReceiveError::Incomplete);
        }
        Ok(file.finish().await?)
    }

    /// Opens a file for reading.
    pub(crate) async fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.directory.join(name)).await
    }

    /// Removes a file that nothing refers to any more. Who reads it still can.
    pub(crate) async fn remove(&self, name: &str) {
        remove(&self.directory.join(name)).await;
    }
}

/// Whether a file has a name that only we give.
fn is_ours(name: &str) -> bool {
    ids::is_slugid(name.strip_suffix(".part").unwrap_or(name))
}

async fn remove(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file could not be removed");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upload_left_is_removed_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (known, left, part) = (slugid::v4(), slugid::v4(), format!("{}.part", slugid::v4()));
        for name in [&known, &left, &part, "thesis.txt", "thesis.part"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        ContentFiles::open(folder.path(), &HashSet::from([known.clone()])).unwrap();
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected = vec![known, "thesis.part".to_owned(), "thesis.txt".to_owned()];
        expected.sort();
        assert_eq!(names, expected);
    }
}
