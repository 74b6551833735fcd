//! The plugin directory: lists it, notices changes, and reads files so that nobody but their owner decides what is run.
//!
//! A file is read once, through a descriptor that was checked: what is hashed, compiled and run are those bytes. Files and
//! every directory above them belong to root or to the worker, and nobody else can write there.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
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

use lease::Writers;
use trusted::check_file;

mod lease;
mod trusted;

pub(crate) use trusted::{Trust, check_way};

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE: u64 = 32 << 20;
/// The most plugins that a directory may have.
const MAX_FILES: usize = 256;
/// The largest signature, in bytes. They have some three hundred, and a comment.
const MAX_SIGNATURE: u64 = 4 << 10;
/// What a plugin's signature is called beside the plugin's own name.
const SIGNATURE: &str = ".minisig";
/// A file that changed less than this ago may change again without a new time stamp.
const SETTLES_AFTER: Duration = Duration::from_secs(2);
/// A file that changed less than this ago may still be being written, where the kernel does not say.
const QUIET_AFTER: Duration = Duration::from_secs(1);

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

/// The stamps of a plugin and of its signature, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    component: Stamp,
    signature: Option<Stamp>,
}

/// One file, as it was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct WasmFile {
    pub(crate) name: String,
    pub(crate) bytes: Arc<[u8]>,
    /// Of the bytes, hexadecimal.
    pub(crate) sha256: String,
    /// What lies beside it as its signature; none where nothing does.
    pub(crate) signature: Option<Result<Arc<[u8]>, ReadError>>,
    pub(crate) stamps: Stamps,
    pub(crate) warnings: Vec<String>,
}

/// What was read of one file.
struct Content {
    bytes: Vec<u8>,
    stamp: Stamp,
    warnings: Vec<String>,
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
    /// It has gone.
    #[error("there is no such file")]
    Missing,
    /// No file of such a name is looked at in the plugin directory.
    #[error("its name is hidden, or does not end in .wasm")]
    Name,
    /// A link could be turned elsewhere by its owner.
    #[error("it is a symbolic link")]
    Link,
    /// A pipe, a device, a directory.
    #[error("it is {0} and not a regular file")]
    NotRegular(&'static str),
    /// It is larger than any of its kind.
    #[error("it has {size} bytes, and the limit is {limit}")]
    TooLarge {
        /// How many it has.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Somebody else could change it.
    #[error("it can't be trusted: {0}")]
    Untrusted(String),
    /// Somebody has it open for writing, or has changed it only now.
    #[error("it is being written")]
    BeingWritten,
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
            Self::BeingWritten | Self::Changed => {
                Some("it is tried again; copy beside it and rename to avoid this")
            }
            Self::Os(_) | Self::Missing | Self::Name | Self::NotRegular(_) | Self::TooLarge { .. } => None,
        }
    }

    /// Whether somebody was at it, so that it is soon worth another look.
    pub(crate) fn is_in_motion(&self) -> bool {
        matches!(self, Self::BeingWritten | Self::Changed)
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
        let warnings = check_way(path, trust)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(os("opened"))?;
        Ok(Self {
            path: path.to_owned(),
            fd,
            warnings,
        })
    }

    /// The plugins there, by file name.
    pub(crate) fn list(&self) -> Result<BTreeMap<String, Stamps>, DirectoryError> {
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
            if !is_plugin_name(name) {
                continue;
            }
            // It may have gone since.
            if let Some(component) = self.stamp(name).map_err(os("read"))? {
                let signature = self.stamp(&signature_of(name)).map_err(os("read"))?;
                files.insert(name.to_owned(), Stamps { component, signature });
            }
            if files.len() > MAX_FILES {
                return Err(DirectoryError::TooMany(self.path.clone()));
            }
        }
        Ok(files)
    }

    fn stamp(&self, name: &str) -> nix::Result<Option<Stamp>> {
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::new(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Reads one plugin whole, and its signature.
    pub(crate) fn read(&self, name: &str, trust: Trust) -> Result<WasmFile, ReadError> {
        let Content {
            bytes,
            stamp: component,
            mut warnings,
        } = self.read_one(name, MAX_FILE, trust)?;
        let (beside, stamp) = match self.read_one(&signature_of(name), MAX_SIGNATURE, trust) {
            Ok(content) => {
                let of_signature = |warning| format!("of its signature: {warning}");
                warnings.extend(content.warnings.into_iter().map(of_signature));
                (Some(Ok(content.bytes.into())), Some(content.stamp))
            }
            Err(ReadError::Missing) => (None, None),
            Err(error) => {
                let stamp = self.stamp(&signature_of(name)).ok().flatten();
                (Some(Err(error)), stamp)
            }
        };
        Ok(WasmFile {
            name: name.to_owned(),
            sha256: hex(&Sha256::digest(&bytes)),
            bytes: bytes.into(),
            signature: beside,
            stamps: Stamps {
                component,
                signature: stamp,
            },
            warnings,
        })
    }

    /// Reads one plugin to look at it, whosever it is and whatever links lead to it.
    pub(crate) fn read_anyway(&self, name: &str) -> Result<WasmFile, ReadError> {
        let file = read_anywhere(&self.path.join(name))?;
        Ok(WasmFile {
            name: name.to_owned(),
            ..file
        })
    }

    /// Reads one file whole, in one version.
    fn read_one(&self, name: &str, limit: u64, trust: Trust) -> Result<Content, ReadError> {
        // O_NONBLOCK: opening a pipe must not wait for a writer.
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let os = |errno: Errno| ReadError::Os(errno.desc().to_owned());
        let fd = openat(&self.fd, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ENOENT => ReadError::Missing,
            Errno::ELOOP => ReadError::Link,
            // What opening a socket answers.
            Errno::ENXIO => ReadError::NotRegular("a socket"),
            other => os(other),
        })?;
        let mut file = File::from(fd);
        let stat = fstat(&file).map_err(os)?;
        let size = regular_size(&stat, limit)?;
        let warnings = check_file(&stat, trust)?;
        // Of the same open file, since the lease is on what is read.
        let leased = file
            .try_clone()
            .map_err(|error| ReadError::Os(error.to_string()))?;
        let writers = lease::take(&leased);
        // After the lease was given: what was written before shows in it.
        let stamp = Stamp::new(&fstat(&file).map_err(os)?);
        let is_quiet = || trust == Trust::NotNeeded || stamp.is_quiet(SystemTime::now());
        let lease = match writers {
            Writers::None(lease) => Some(lease),
            Writers::Unknown if is_quiet() => None,
            Writers::Some | Writers::Unknown => return Err(ReadError::BeingWritten),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        Read::by_ref(&mut file)
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error: io::Error| ReadError::Os(error.to_string()))?;
        let is_same = i64::try_from(bytes.len()) == Ok(stamp.size);
        if !is_same || Stamp::new(&fstat(&file).map_err(os)?) != stamp {
            return Err(ReadError::Changed);
        }
        drop(lease);
        Ok(Content {
            bytes,
            stamp,
            warnings,
        })
    }
}

impl Stamps {
    /// Whether neither can change without a new stamp.
    pub(crate) fn are_settled(&self, now: SystemTime) -> bool {
        self.component.is_settled(now) && self.signature.is_none_or(|signature| signature.is_settled(now))
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
    fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(self.changed_at())
            .is_ok_and(|age| age > SETTLES_AFTER)
    }

    /// Whether nobody has been at the file for a while. One that is said to have changed in the future tells nothing: a clock
    /// is wrong.
    fn is_quiet(&self, now: SystemTime) -> bool {
        now.duration_since(self.changed_at())
            .map_or(true, |age| age > QUIET_AFTER)
    }

    fn changed_at(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.changed;
        UNIX_EPOCH
            + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
            + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
    }
}

fn signature_of(name: &str) -> String {
    format!("{name}{SIGNATURE}")
}

/// Reads a plugin for a look at it. Links are followed: nothing of it will run in a task.
pub(crate) fn read_anywhere(path: &Path) -> Result<WasmFile, ReadError> {
    let path = path
        .canonicalize()
        .map_err(|error| ReadError::Os(error.to_string()))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(ReadError::NotRegular("a directory"));
    };
    let directory =
        Directory::open(parent, Trust::NotNeeded).map_err(|error| ReadError::Os(error.to_string()))?;
    directory.read(name, Trust::NotNeeded)
}

/// Whether a file of that name is looked at. Hidden ones are not: editors and copying tools make them on the way.
pub(crate) fn is_plugin_name(name: &str) -> bool {
    !name.starts_with('.') && name.ends_with(".wasm") && !name.chars().any(char::is_control)
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
fn regular_size(stat: &FileStat, limit: u64) -> Result<u64, ReadError> {
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
    if size > limit {
        Err(ReadError::TooLarge { size, limit })
    } else {
        Ok(size)
    }
}

#[cfg(test)]
mod tests;
