//! Asks the kernel whether anybody has a file open for writing, by a read lease (Linux).
//!
//! The kernel gives a read lease only on a file that nobody has open for writing, and while the lease is held it keeps
//! everybody who would open it so waiting: what is read meanwhile is one version of the file. It gives none to a user who
//! does not own the file (root may always), nor on some file systems; there the time of the last change must do.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use nix::{errno::Errno, libc};

/// The command that says by which signal a lease is announced that somebody waits for: of the kernel's
/// `asm-generic/fcntl.h`, since libc has no name for it.
const F_SETSIG: libc::c_int = 10;

/// Whether somebody writes a file.
#[derive(Debug)]
pub(super) enum Writers<'f> {
    /// Nobody does, and nobody will while the lease lives.
    None(Lease<'f>),
    /// Somebody has it open for writing.
    Some,
    /// The kernel does not say.
    Unknown,
}

/// Holds off those who would write. They wait, so it should not be held for long.
#[derive(Debug)]
pub(super) struct Lease<'f>(BorrowedFd<'f>);

/// Takes a lease on a file that is open for reading only.
pub(super) fn take<'f>(file: &'f impl AsFd) -> Writers<'f> {
    let fd = file.as_fd();
    // A lease that somebody waits for is announced by SIGIO, which ends a process that does not expect it. SIGURG is
    // ignored by every process that does not ask for it, and needs no answer: the lease is given back soon.
    let taken =
        control(fd, F_SETSIG, libc::SIGURG).and_then(|()| control(fd, libc::F_SETLEASE, libc::F_RDLCK));
    match taken {
        Ok(()) => Writers::None(Lease(fd)),
        Err(Errno::EAGAIN) => Writers::Some,
        Err(_) => Writers::Unknown,
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // It can't fail for one who holds the lease; closing the file, which follows, gives it back too.
        let _ = control(self.0, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

fn control(fd: BorrowedFd<'_>, command: libc::c_int, argument: libc::c_int) -> nix::Result<()> {
    // SAFETY: the descriptor is open for as long as it is borrowed, and both commands take an integer by value.
    #[expect(unsafe_code, reason = "nix has no function for leases")]
    let answer = unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) };
    Errno::result(answer).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File, OpenOptions},
        io,
        os::unix::fs::OpenOptionsExt as _,
    };

    use super::*;

    #[test]
    fn a_file_that_is_open_for_writing_has_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(matches!(take(&reader), Writers::Some));
        drop(writer);
        assert!(matches!(take(&reader), Writers::None(_)));
    }

    #[test]
    fn who_would_write_waits_for_the_lease_and_does_not_harm_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "").unwrap();
        let reader = File::open(&path).unwrap();
        // Twice, since a lease that is given back takes its signal with it.
        for _ in 0..2 {
            let lease = take(&reader);
            assert!(matches!(lease, Writers::None(_)));
            let write = || {
                OpenOptions::new()
                    .write(true)
                    .custom_flags(libc::O_NONBLOCK)
                    .open(&path)
            };
            // The signal of this would end the process, if it were not another one.
            assert_eq!(write().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            drop(lease);
            write().unwrap();
        }
    }
}
