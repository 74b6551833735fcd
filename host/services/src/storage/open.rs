//! Taking a directory into use: whose is it, who holds it, what was left in it.

use std::{
    fs::{self, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::remove;

/// The file that is locked; it holds the process id of whoever has the lock. That it is there also says that the directory
/// is a storage, and that what is in it may be removed.
const LOCK: &str = ".taskcluster-worker.lock";

/// Why a directory can't be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum OpenStorageError {
    /// Two workers can't share a directory.
    #[error("{path} is in use by {holder}: give each worker a directory of its own, or stop the other", path = path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Process id and name of the other, as far as they can be told.
        holder: String,
    },
    /// Whoever owns a directory can exchange what is in it.
    #[error("{path} belongs to user {owner}, and this worker is user {us}: choose a directory of its own, or change the owner", path = path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// User id of this process.
        us: u32,
    },
    /// Opening would remove somebody's files.
    #[error("{path} is not empty and was not made by a worker: everything in it would be removed; choose an empty or new directory", path = path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// Something else.
    #[error("can't {attempted} {path}", path = path.display())]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        #[expect(missing_docs, reason = "what the system says")]
        source: io::Error,
    },
}

/// The directory's absolute path, and its lock.
pub(super) fn open(root: &Path) -> Result<(PathBuf, fs::File), OpenStorageError> {
    let io = |attempted, path: &Path| {
        let path = path.to_owned();
        move |source| OpenStorageError::Io {
            attempted,
            path,
            source,
        }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(io("create", root))?;
    let root = fs::canonicalize(root).map_err(io("find", root))?;
    let metadata = fs::metadata(&root).map_err(io("look at", &root))?;
    let us = nix::unistd::geteuid().as_raw();
    if metadata.uid() != us {
        return Err(OpenStorageError::Foreign {
            path: root,
            owner: metadata.uid(),
            us,
        });
    }
    let lock_path = root.join(LOCK);
    let is_storage = fs::symlink_metadata(&lock_path).is_ok_and(|found| found.is_file());
    if !is_storage && fs::read_dir(&root).map_err(io("read", &root))?.next().is_some() {
        return Err(OpenStorageError::NotOurs { path: root });
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(io("change the mode of", &root))?;
    let lock = lock(&root, &lock_path)?;
    clear(&root).map_err(io("clear", &root))?;
    Ok((root, lock))
}

/// Locks the directory, or says who has.
fn lock(root: &Path, path: &Path) -> Result<fs::File, OpenStorageError> {
    let io = |attempted| {
        move |source| OpenStorageError::Io {
            attempted,
            path: path.to_owned(),
            source,
        }
    };
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(io("open"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenStorageError::InUse {
                path: root.to_owned(),
                holder: holder(&mut file),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()));
    written.map_err(io("write"))?;
    Ok(file)
}

/// Who holds a lock, in words.
fn holder(file: &mut fs::File) -> String {
    let mut text = String::new();
    let pid = file
        .take(32)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse::<u32>().ok());
    let Some(pid) = pid else {
        return "another process".to_owned();
    };
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim().escape_debug()),
        Err(_) => format!("process {pid}"),
    }
}

/// Removes all but the lock.
fn clear(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        match remove::tree(&entry.path()) {
            Ok(()) => tracing::info!(path = %entry.path().display(), "removed what a former worker left"),
            Err(error) => tracing::warn!(
                path = %entry.path().display(),
                error = &error as &dyn std::error::Error,
                "can't remove what a former worker left"
            ),
        }
    }
    Ok(())
}
