//! The lock of the queue's directory: one queue at a time. The kernel frees it with the process, however that ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::StartError;

/// Held as long as the queue uses its directory.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says that another has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StartError> {
        let unusable = |source| StartError::Directory {
            directory: directory.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("queue.lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse {
                directory: directory.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}
