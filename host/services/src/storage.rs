//! Temporary storage: one directory of the worker's own, for everything that is gone when a run is over.
//!
//! The directory is locked for as long as anything of it is in use, so two workers never share one; whatever a killed
//! predecessor left in it is removed when it is opened.

mod open;
mod remove;

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use engine_api::RunKey;

pub use open::OpenStorageError;

/// A directory for what runs need while they last. Clones are the same storage.
///
/// All calls block for as long as the disk does: call them from a thread that may block.
#[derive(Clone, Debug)]
pub struct TemporaryStorage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Held, never read: the lock ends with the last folder and file of the storage.
    _lock: fs::File,
}

impl TemporaryStorage {
    /// Takes a directory into use: creates it where there is none, locks it, makes it accessible to its owner alone, and
    /// removes everything a predecessor left in it. What can't be removed stays, with a warning in the worker's log.
    ///
    /// # Errors
    /// When another worker holds it, when it belongs to somebody else, or when it holds files and was never a storage: a
    /// mistyped path must not cost anybody their files.
    pub fn open(root: &Path) -> Result<Self, OpenStorageError> {
        let (root, lock) = open::open(root)?;
        Ok(Self(Arc::new(Inner { root, _lock: lock })))
    }

    /// The directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// A new empty folder named after a run.
    ///
    /// # Errors
    /// When the run has one already, or its task id is no slugid; else what the file system says.
    pub fn run_folder(&self, run: &RunKey) -> Result<TemporaryFolder, StorageError> {
        self.make_folder(&run_name(run)?)
    }

    /// A new empty folder with a random name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn folder(&self) -> Result<TemporaryFolder, StorageError> {
        self.make_folder(&slugid::nice())
    }

    /// A new empty file named after a run, `<taskId>_<runId>.<extension>`.
    ///
    /// # Errors
    /// When the run has one already, or its task id is no slugid; else what the file system says.
    pub fn run_file(&self, run: &RunKey, extension: &str) -> Result<TemporaryFile, StorageError> {
        if !is_plain(extension) {
            return Err(StorageError::Name {
                name: extension.to_owned(),
            });
        }
        self.make_file(&format!("{}.{extension}", run_name(run)?))
    }

    /// A new empty file with a random name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn file(&self) -> Result<TemporaryFile, StorageError> {
        self.make_file(&slugid::nice())
    }

    fn make_folder(&self, name: &str) -> Result<TemporaryFolder, StorageError> {
        let path = self.0.root.join(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| StorageError::Create {
            path: path.clone(),
            source,
        })?;
        Ok(TemporaryFolder(Entry {
            path,
            storage: Some(self.clone()),
        }))
    }

    fn make_file(&self, name: &str) -> Result<TemporaryFile, StorageError> {
        let path = self.0.root.join(name);
        let made = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let file = made.map_err(|source| StorageError::Create {
            path: path.clone(),
            source,
        })?;
        Ok(TemporaryFile {
            entry: Entry {
                path,
                storage: Some(self.clone()),
            },
            file: Arc::new(file),
        })
    }
}

/// Why storage could not be handed out.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No file may be called that.
    #[error("{name:?} can't be part of a file name: only letters, digits, `-` and `_` may")]
    Name {
        /// What was given.
        name: String,
    },
    /// The file system refuses.
    #[error("can't create {path}", path = path.display())]
    Create {
        /// What was to be created.
        path: PathBuf,
        #[expect(missing_docs, reason = "what the system says")]
        source: io::Error,
    },
    /// Something stays behind. The next start of the worker tries again.
    #[error("can't remove {path}", path = path.display())]
    Remove {
        /// What was to be removed.
        path: PathBuf,
        #[expect(missing_docs, reason = "what the system says of the first thing that stays")]
        source: io::Error,
    },
}

/// A folder of the storage, removed with all that is in it when it is dropped. Dropping blocks; [`TemporaryFolder::remove`]
/// says what went wrong.
#[derive(Debug)]
pub struct TemporaryFolder(Entry);

impl TemporaryFolder {
    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Removes it with everything in it: links are removed and never followed, folders that nobody may read are made
    /// readable, any depth and any number of files will do.
    ///
    /// # Errors
    /// When something stays behind; as much as possible has been removed.
    pub fn remove(mut self) -> Result<(), StorageError> {
        self.0.remove()
    }
}

/// A file of the storage, open for reading and appending, removed when it is dropped.
#[derive(Debug)]
pub struct TemporaryFile {
    entry: Entry,
    file: Arc<fs::File>,
}

impl TemporaryFile {
    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.entry.path
    }

    /// The open file: what is written goes to its end.
    #[must_use]
    pub fn file(&self) -> &Arc<fs::File> {
        &self.file
    }

    /// Removes it. Whoever has it open keeps it until they close it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(mut self) -> Result<(), StorageError> {
        self.entry.remove()
    }
}

/// Something below the root that is removed exactly once.
struct Entry {
    path: PathBuf,
    /// None once it was removed.
    storage: Option<TemporaryStorage>,
}

impl Entry {
    fn remove(&mut self) -> Result<(), StorageError> {
        let Some(_locked) = self.storage.take() else {
            return Ok(());
        };
        remove::tree(&self.path).map_err(|source| StorageError::Remove {
            path: self.path.clone(),
            source,
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "left behind in the temporary storage"
            );
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// The name of what belongs to a run. A task id comes from the queue: it names a file only if it can't name another's.
fn run_name(run: &RunKey) -> Result<String, StorageError> {
    if is_plain(&run.task_id) {
        Ok(run.file_name())
    } else {
        Err(StorageError::Name {
            name: run.task_id.clone(),
        })
    }
}

fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests;
