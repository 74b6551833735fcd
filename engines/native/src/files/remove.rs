//! The removal of what a task has left in its directory.
//!
//! A task can nest folders so deep that a recursive removal runs out of descriptors or of stack, and can take away its own
//! rights to them. So a folder that is not empty is emptied into the uppermost one, whose entries are removed until there
//! are none: at no time are more than two folders open. No link is ever followed.

use std::{
    ffi::CStr,
    fs::{self, Permissions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, unlinkat},
};

/// A removal that goes on.
struct Removal<'a> {
    root: BorrowedFd<'a>,
    /// For the names of folders that were moved up.
    moved: u64,
    removed: Progress,
    error: Option<Errno>,
}

#[derive(PartialEq, Eq)]
enum Progress {
    None,
    Some,
}

/// Removes everything in a folder, but not the folder itself. What can't be removed does not keep the rest.
pub(crate) fn contents(root: BorrowedFd<'_>) -> io::Result<()> {
    allow_everything(root)?;
    let mut removal = Removal {
        root,
        moved: 0,
        removed: Progress::None,
        error: None,
    };
    loop {
        removal.removed = Progress::None;
        removal.error = None;
        removal.pass()?;
        match (removal.error, &removal.removed) {
            // What was moved up, or was made while the folder was listed, is seen in the next pass.
            (_, Progress::Some) => {}
            (None, Progress::None) => return Ok(()),
            (Some(error), Progress::None) => return Err(error.into()),
        }
    }
}

impl Removal<'_> {
    fn pass(&mut self) -> nix::Result<()> {
        for name in names(self.root)? {
            let name = name?;
            match self.remove(self.root, &name) {
                Ok(()) => self.removed = Progress::Some,
                Err(Errno::EISDIR) => match self.remove_folder(&name) {
                    Ok(()) => self.removed = Progress::Some,
                    Err(error) => self.error = Some(error),
                },
                Err(error) => self.error = Some(error),
            }
        }
        Ok(())
    }

    fn remove(&self, folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
        unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)
    }

    /// Removes a folder in the uppermost one.
    fn remove_folder(&mut self, name: &CStr) -> nix::Result<()> {
        match unlinkat(self.root, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            answer => return answer,
        }
        let folder = open(self.root, name)?;
        for entry in names(folder.as_fd())? {
            let entry = entry?;
            match self.remove(folder.as_fd(), &entry) {
                Ok(()) => self.removed = Progress::Some,
                Err(Errno::EISDIR) => self.move_up(folder.as_fd(), &entry)?,
                Err(error) => self.error = Some(error),
            }
        }
        unlinkat(self.root, name, UnlinkatFlags::RemoveDir)
    }

    fn move_up(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
        // One that may not be written to can't be given another parent.
        open(folder, name)?;
        loop {
            self.moved += 1;
            let target = format!(".removal-{}", self.moved);
            match renameat(folder, name, self.root, target.as_str()) {
                // The task has used the name: take the next.
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.removed = Progress::Some;
                    return Ok(());
                }
            }
        }
    }
}

/// The folder with this name, with all rights to it.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let folder = openat(parent, name, flags, Mode::empty())?;
    // Where the rights can't be changed, what needs them says so.
    let _ = allow_everything(folder.as_fd());
    Ok(folder)
}

fn allow_everything(folder: BorrowedFd<'_>) -> io::Result<()> {
    // The link leads to the open folder itself: no name is looked up, and none can be swapped.
    fs::set_permissions(
        format!("/proc/self/fd/{}", folder.as_raw_fd()),
        Permissions::from_mode(0o700),
    )
}

/// The names in a folder, without `.` and `..`.
fn names(folder: BorrowedFd<'_>) -> nix::Result<impl Iterator<Item = nix::Result<std::ffi::CString>>> {
    let dir = Dir::openat(
        folder,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    Ok(dir.into_iter().filter_map(|entry| match entry {
        Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
        Ok(entry) => Some(Ok(entry.file_name().to_owned())),
        Err(error) => Some(Err(error)),
    }))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::symlink, path::Path};

    use super::*;

    fn remove_below(folder: &Path) {
        contents(File::open(folder).unwrap().as_fd()).unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn folders_without_rights_are_removed_and_links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        fs::write(folder.path().join("a/b/c/file"), "").unwrap();
        symlink(outside.path(), folder.path().join("a/b/link")).unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        for path in ["a/b/c", "a/b", "a"] {
            fs::set_permissions(folder.path().join(path), Permissions::from_mode(0o000)).unwrap();
        }
        remove_below(folder.path());
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn depth_costs_neither_descriptors_nor_stack_and_used_names_are_avoided() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".removal-1", ".removal-3"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir_all(folder.path().join(".removal-2/x")).unwrap();
        let mut here: OwnedFd = File::open(folder.path()).unwrap().into();
        for _ in 0..5_000 {
            nix::sys::stat::mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
            here = openat(&here, "d", OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        drop(here);
        remove_below(folder.path());
    }
}
