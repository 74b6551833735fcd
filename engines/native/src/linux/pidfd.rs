//! Handles of processes. A process that is named by its number alone may be another one by the time a signal arrives: in a
//! tree that forks without end the numbers go round within seconds.
#![expect(
    unsafe_code,
    reason = "neither std nor nix has pidfd_open and pidfd_send_signal"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use nix::{errno::Errno, libc, sys::signal::Signal, unistd::Pid};

/// A process, dead or alive, and no other.
#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// The process that has this number now.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: the call takes two numbers and touches no memory.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let fd = Errno::result(answer)?;
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just opened this descriptor (close-on-exec) and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let no_info: *const libc::siginfo_t = ptr::null();
        // SAFETY: the descriptor is open as long as `self` is, and a null pointer for the siginfo is allowed.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                no_info,
                0,
            )
        };
        Errno::result(answer)?;
        Ok(())
    }
}

impl AsFd for Pidfd {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
