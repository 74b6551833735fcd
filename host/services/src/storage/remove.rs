//! Removes what tasks made: a tree in which nothing can be relied on.
//!
//! Every step names a child of a folder that is held open, so no link is ever followed, even one that appears meanwhile.
//! Folders that deny their owner are opened up first. A tree may be deeper than there are descriptors or stack: below
//! [`MAX_DEPTH`] a folder is first moved up beside the top, and its turn comes later.

use std::{
    ffi::{CString, OsStr},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    },
    path::Path,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::{Mode, fstat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// How many folders are open at a time.
const MAX_DEPTH: usize = 32;
/// How often a folder is read again that is not empty after everything in it was removed.
const RESCANS: usize = 3;
/// What a folder's owner needs to empty it.
const OWNER_ALL: u32 = 0o700;

/// Removes a file, or a folder with everything below it. Nothing there is fine. Links are removed, never followed.
///
/// Goes on after an error, so as much as possible is gone.
///
/// # Errors
/// The first thing that went wrong.
pub(super) fn tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path names no entry of a folder",
        ));
    };
    let parent = fs::File::open(parent)?;
    let mut remover = Remover {
        base: parent.as_fd(),
        later: vec![c_name(name)?],
        first_error: None,
    };
    while let Some(name) = remover.later.pop() {
        if let Err(errno) = remover.entry(remover.base, &name, 0) {
            remover.failed(errno);
        }
    }
    match remover.first_error {
        Some(errno) => Err(errno.into()),
        None => Ok(()),
    }
}

struct Remover<'a> {
    /// The folder that the tree is in, and that deep folders are moved to.
    base: BorrowedFd<'a>,
    /// What is still to be removed from there.
    later: Vec<CString>,
    first_error: Option<Errno>,
}

impl Remover<'_> {
    fn failed(&mut self, errno: Errno) {
        self.first_error.get_or_insert(errno);
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<(), Errno> {
        match unlinkat(parent, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // Linux says EISDIR for folders, POSIX EPERM.
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(errno) => return Err(errno),
        }
        let folder = open_folder(parent, name)?;
        if depth == MAX_DEPTH {
            let moved = c_name(OsStr::new(&slugid::nice())).map_err(|_| Errno::EINVAL)?;
            renameat(parent, name.as_c_str(), self.base, moved.as_c_str())?;
            self.later.push(moved);
            return Ok(());
        }
        for _ in 0..RESCANS {
            self.children(&folder, depth)?;
            match unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                // Reading a folder while it is emptied may skip entries.
                Err(Errno::ENOTEMPTY) if self.first_error.is_none() => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::ENOTEMPTY)
    }

    fn children(&mut self, folder: &OwnedFd, depth: usize) -> Result<(), Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut listing = Dir::openat(folder, ".", flags, Mode::empty())?;
        for child in listing.iter() {
            let child = child?.file_name().to_owned();
            if matches!(child.as_bytes(), b"." | b"..") {
                continue;
            }
            if let Err(errno) = self.entry(folder.as_fd(), &child, depth + 1) {
                self.failed(errno);
            }
        }
        Ok(())
    }
}

/// A handle of a folder, never of what a link points to, after its owner was given every right to it.
fn open_folder(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let folder = openat(parent, name.as_c_str(), flags, Mode::empty())?;
    let mode = fstat(&folder)?.st_mode & 0o7777;
    if mode & OWNER_ALL != OWNER_ALL {
        // The kernel resolves this link to the very folder that is open: fchmod refuses an O_PATH descriptor.
        let this = format!("/proc/self/fd/{}", folder.as_raw_fd());
        fs::set_permissions(this, fs::Permissions::from_mode(mode | OWNER_ALL))
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    }
    Ok(folder)
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(io::Error::from)
}
