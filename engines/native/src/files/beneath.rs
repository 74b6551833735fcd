//! The lookup of a path that does not leave a folder, whatever links a task has put on its way.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Component, Path},
};

use engine_api::ExtractError;
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2},
    libc,
    sys::stat::{FileStat, Mode, SFlag, fstat},
};

/// How often a lookup is tried again that something was renamed in the way of.
const TRIES: usize = 16;

/// Something that was found. Nothing was opened: a device or FIFO has not noticed.
#[derive(Debug)]
pub(crate) struct Found {
    handle: OwnedFd,
    stat: FileStat,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other(&'static str),
}

/// Looks `path` up below `root`. Links are followed as long as they stay below it; absolute links do not.
///
/// Kernels before 5.6, and containers whose filter does not know `openat2`, can't keep a lookup inside: there no link is
/// followed at all.
pub(crate) fn find(root: BorrowedFd<'_>, path: &Path) -> Result<Found, ExtractError> {
    let handle = match beneath(root, path) {
        Err(Errno::ENOSYS | Errno::EPERM) => step_by_step(root, path),
        answer => answer,
    };
    Found::new(handle.map_err(refusal)?)
}

/// Looks an entry of an open folder up. A link is not followed.
pub(crate) fn entry(folder: BorrowedFd<'_>, name: &Path) -> Result<Found, ExtractError> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Found::new(openat(folder, name, flags, Mode::empty()).map_err(refusal)?)
}

impl Found {
    fn new(handle: OwnedFd) -> Result<Self, ExtractError> {
        let stat = fstat(&handle).map_err(refusal)?;
        Ok(Self { handle, stat })
    }

    pub(crate) fn kind(&self) -> Kind {
        let bits = SFlag::from_bits_truncate(self.stat.st_mode & SFlag::S_IFMT.bits());
        match bits {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Folder,
            SFlag::S_IFLNK => Kind::Link,
            SFlag::S_IFIFO => Kind::Other("a FIFO"),
            SFlag::S_IFSOCK => Kind::Other("a socket"),
            _ => Kind::Other("a device"),
        }
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or_default()
    }

    /// Opens what was found, and nothing that has taken its place since.
    pub(crate) fn open(&self) -> io::Result<File> {
        // The link leads to the open file itself, not to its name.
        let path = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
    }
}

impl AsFd for Found {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

fn beneath(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut answer = Err(Errno::EAGAIN);
    for _ in 0..TRIES {
        answer = openat2(root, path, how);
        if !matches!(answer, Err(Errno::EAGAIN | Errno::EINTR)) {
            break;
        }
    }
    answer
}

fn step_by_step(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut here = openat(root, ".", flags, Mode::empty())?;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => here = openat(&here, name, flags, Mode::empty())?,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(Errno::EXDEV),
        }
        let kind = SFlag::from_bits_truncate(fstat(&here)?.st_mode & SFlag::S_IFMT.bits());
        if kind == SFlag::S_IFLNK {
            return Err(Errno::EXDEV);
        }
    }
    Ok(here)
}

/// Why a lookup failed, for the task's author.
fn refusal(error: Errno) -> ExtractError {
    match error {
        // Below a file there is nothing either.
        Errno::ENOENT | Errno::ENOTDIR => ExtractError::Missing,
        Errno::EXDEV => ExtractError::Refused(
            "the path leads out of its folder: links are followed only as long as they stay inside, and absolute links do not"
                .to_owned(),
        ),
        Errno::ELOOP => ExtractError::Refused("the path has too many links, or links to what is no file".to_owned()),
        Errno::ENAMETOOLONG => ExtractError::Refused("the path is too long".to_owned()),
        error => ExtractError::NotReadable(io::Error::from(error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn without_openat2_no_link_is_followed_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("in/file"), "x").unwrap();
        symlink("in", folder.path().join("link")).unwrap();
        let root = File::open(folder.path()).unwrap();
        let step = |path: &str| step_by_step(root.as_fd(), Path::new(path)).map(drop);
        assert_eq!(step("in/file"), Ok(()));
        assert_eq!(step("."), Ok(()));
        assert_eq!(step("link/file"), Err(Errno::EXDEV));
        assert_eq!(step("link"), Err(Errno::EXDEV));
        assert_eq!(step("in/../.."), Err(Errno::EXDEV));
        assert_eq!(step("in/nothing"), Err(Errno::ENOENT));
        assert_eq!(step("in/file/below"), Err(Errno::ENOTDIR));
    }
}
