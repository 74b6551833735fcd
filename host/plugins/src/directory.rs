//! The plugin directory: lists it, notices changes, and reads files so that nobody but their owner decides what is run.
//!
//! A file is read once, through a descriptor that was checked: what is hashed, compiled and run are those bytes. Files and
//! every directory above them belong to root or to the worker, and nobody else can write there.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use sha2::{Digest as _, Sha256};

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE: u64 = 32 << 20;
/// The most plugins that a directory may have.
const MAX_FILES: usize = 256;
/// The most symbolic links on the way to the directory.
const MAX_LINKS: u32 = 40;
/// A file that changed less than this ago may change again without a new time stamp.
const SETTLES_AFTER: Duration = Duration::from_secs(2);

/// The plugin directory, opened and found to be trustworthy.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
    /// What an operator should look into.
    pub(crate) warnings: Vec<String>,
}

/// Tells whether a file has changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// One file, as it was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct WasmFile {
    pub(crate) name: String,
    pub(crate) bytes: Arc<[u8]>,
    /// Of the bytes, hexadecimal.
    pub(crate) sha256: String,
    pub(crate) stamp: Stamp,
    pub(crate) warnings: Vec<String>,
}

/// Whether a file and what is above it must belong to root or to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// They must: what is read will be run.
    Demanded,
    /// They need not: what is read is only looked at.
    NotNeeded,
}

/// Why a directory can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The operating system says no.
    #[error("{} can't be {operation}: {errno}", .path.display())]
    Os {
        /// Which.
        path: PathBuf,
        /// What was attempted.
        operation: &'static str,
        /// What the system says.
        errno: Errno,
    },
    /// Somebody else could put files there.
    #[error("{} can't be trusted: {why}", .path.display())]
    Untrusted {
        /// The directory or link, at or above the one that is meant.
        path: PathBuf,
        /// Whose it is or who can write there.
        why: String,
    },
    /// It has more files than any worker has plugins.
    #[error("{} has more than {MAX_FILES} files that end in .wasm", .0.display())]
    TooMany(PathBuf),
}

/// Why a file can't be read, or must not be trusted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system says no.
    #[error("it can't be read: {0}")]
    Os(String),
    /// A link could be turned elsewhere by its owner.
    #[error("it is a symbolic link")]
    Link,
    /// A pipe, a device, a directory.
    #[error("it is {0} and not a regular file")]
    NotRegular(&'static str),
    /// It is larger than any plugin.
    #[error("it has {0} bytes, and the limit is {MAX_FILE}")]
    TooLarge(u64),
    /// Somebody else could change it.
    #[error("it can't be trusted: {0}")]
    Untrusted(String),
    /// It was written while it was read.
    #[error("it changed while it was read")]
    Changed,
}

impl ReadError {
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Link => Some("copy the file there"),
            Self::Untrusted(_) => Some(
                "give it to root or to the worker's user (chown), and let nobody else write (chmod go-w)",
            ),
            Self::Changed => Some("it is tried again; copy beside it and rename to avoid this"),
            Self::Os(_) | Self::NotRegular(_) | Self::TooLarge(_) => None,
        }
    }
}

impl Directory {
    /// Opens a directory, after a look at everything above it.
    pub(crate) fn open(path: &Path, trust: Trust) -> Result<Self, DirectoryError> {
        let os = |operation| {
            move |errno| DirectoryError::Os {
                path: path.to_owned(),
                operation,
                errno,
            }
        };
        let warnings = match trust {
            Trust::Demanded => check_way(path)?,
            Trust::NotNeeded => Vec::new(),
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(os("opened"))?;
        Ok(Self {
            path: path.to_owned(),
            fd,
            warnings,
        })
    }

    /// The plugins there, by file name. Hidden files are left out: editors and copying tools make them on the way.
    pub(crate) fn list(&self) -> Result<BTreeMap<String, Stamp>, DirectoryError> {
        let os = |operation| {
            move |errno| DirectoryError::Os {
                path: self.path.clone(),
                operation,
                errno,
            }
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(&self.fd, ".", flags, Mode::empty()).map_err(os("read"))?;
        let mut files = BTreeMap::new();
        for entry in dir.iter() {
            let entry = entry.map_err(os("read"))?;
            // A name that is not text can't be shown or logged faithfully: no plugin has one.
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name.starts_with('.') || !name.ends_with(".wasm") || name.chars().any(char::is_control) {
                continue;
            }
            match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => drop(files.insert(name.to_owned(), Stamp::new(&stat))),
                // It has gone since.
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(os("read")(errno)),
            }
            if files.len() > MAX_FILES {
                return Err(DirectoryError::TooMany(self.path.clone()));
            }
        }
        Ok(files)
    }

    /// Reads one file whole.
    pub(crate) fn read(&self, name: &str, trust: Trust) -> Result<WasmFile, ReadError> {
        // O_NONBLOCK: opening a pipe must not wait for a writer.
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let os = |errno: Errno| ReadError::Os(errno.desc().to_owned());
        let fd = openat(&self.fd, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ELOOP => ReadError::Link,
            // What opening a socket answers.
            Errno::ENXIO => ReadError::NotRegular("a socket"),
            other => os(other),
        })?;
        let stat = fstat(&fd).map_err(os)?;
        let size = regular_size(&stat)?;
        let warnings = match trust {
            Trust::Demanded => check_file(&stat)?,
            Trust::NotNeeded => Vec::new(),
        };
        let mut file = File::from(fd);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let io = |error: io::Error| ReadError::Os(error.to_string());
        Read::by_ref(&mut file)
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        let stamp = Stamp::new(&stat);
        if bytes.len() as u64 != size || Stamp::new(&fstat(&file).map_err(os)?) != stamp {
            return Err(ReadError::Changed);
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(WasmFile {
            name: name.to_owned(),
            bytes: bytes.into(),
            sha256,
            stamp,
            warnings,
        })
    }
}

impl Stamp {
    fn new(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether the file has been left alone for long enough that a later change must change the stamp.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        now.duration_since(changed).is_ok_and(|age| age > SETTLES_AFTER)
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The size of a regular file that is not too large.
fn regular_size(stat: &FileStat) -> Result<u64, ReadError> {
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    if kind != SFlag::S_IFREG {
        return Err(ReadError::NotRegular(match kind {
            SFlag::S_IFDIR => "a directory",
            SFlag::S_IFIFO => "a pipe",
            SFlag::S_IFSOCK => "a socket",
            _ => "a device",
        }));
    }
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if size > MAX_FILE {
        Err(ReadError::TooLarge(size))
    } else {
        Ok(size)
    }
}

/// Refuses a file that somebody else could change; warns of a group that could.
fn check_file(stat: &FileStat) -> Result<Vec<String>, ReadError> {
    if !is_ours(stat.st_uid) {
        return Err(ReadError::Untrusted(foreign(stat.st_uid)));
    }
    if stat.st_mode & 0o002 != 0 {
        return Err(ReadError::Untrusted("everybody can write it".to_owned()));
    }
    let group = stat.st_mode & 0o020 != 0;
    Ok(group
        .then(|| format!("the file can be written by its group, {}", stat.st_gid))
        .into_iter()
        .collect())
}

/// Walks from the root to a path, links followed by hand, and refuses what somebody else could have put on the way.
/// Returns warnings.
pub(crate) fn check_way(path: &Path) -> Result<Vec<String>, DirectoryError> {
    let os = |path: &Path, error: &io::Error| DirectoryError::Os {
        path: path.to_owned(),
        operation: "checked",
        errno: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    };
    let absolute = std::path::absolute(path).map_err(|error| os(path, &error))?;
    let mut links_left = MAX_LINKS;
    let mut warnings = Vec::new();
    let mut way = PathBuf::from("/");
    let mut steps: VecDeque<OsString> = steps_of(&absolute).collect();
    check_step(
        &way,
        &fs::symlink_metadata(&way).map_err(|error| os(&way, &error))?,
        &mut warnings,
    )?;
    while let Some(step) = steps.pop_front() {
        if step == ".." {
            way.pop();
            continue;
        }
        let next = way.join(&step);
        let found = fs::symlink_metadata(&next).map_err(|error| os(&next, &error))?;
        check_step(&next, &found, &mut warnings)?;
        if !found.is_symlink() {
            way = next;
            continue;
        }
        links_left = links_left.checked_sub(1).ok_or_else(|| DirectoryError::Os {
            path: path.to_owned(),
            operation: "checked",
            errno: Errno::ELOOP,
        })?;
        let target = fs::read_link(&next).map_err(|error| os(&next, &error))?;
        if target.is_absolute() {
            way = PathBuf::from("/");
        }
        for step in steps_of(&target).collect::<Vec<_>>().into_iter().rev() {
            steps.push_front(step);
        }
    }
    warnings.dedup();
    Ok(warnings)
}

/// The names in a path, `..` among them.
fn steps_of(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn check_step(path: &Path, found: &fs::Metadata, warnings: &mut Vec<String>) -> Result<(), DirectoryError> {
    let untrusted = |why| {
        Err(DirectoryError::Untrusted {
            path: path.to_owned(),
            why,
        })
    };
    if !is_ours(found.uid()) {
        return untrusted(foreign(found.uid()));
    }
    let sticky = found.mode() & 0o1000 != 0;
    // The mode of a link means nothing, and in a sticky directory nobody can touch what is ours.
    if found.is_symlink() || sticky {
        return Ok(());
    }
    if found.mode() & 0o002 != 0 {
        return untrusted("everybody can write there".to_owned());
    }
    if found.mode() & 0o020 != 0 {
        warnings.push(format!(
            "{} can be written by its group, {}",
            path.display(),
            found.gid()
        ));
    }
    Ok(())
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

fn foreign(uid: u32) -> String {
    format!(
        "it belongs to user {uid}, neither to root nor to the worker's user, {}",
        nix::unistd::geteuid()
    )
}

#[cfg(test)]
mod tests;
