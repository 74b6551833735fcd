//! How the supervisor makes the process of a command.
//!
//! Only for a process of one thread: what runs between fork and exec here is ordinary code, which may allocate and open
//! files. In a process of several threads it could wait for ever for a lock that a thread held which is not there any more.
#![expect(
    unsafe_code,
    reason = "fork, clone3 and signal dispositions have no safe form"
)]

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::signal::SigSet,
    unistd::{ForkResult, Pid, execve, fork, pipe2, setpgid},
};

/// From `linux/sched.h`. The constant of libc is of a type that can't hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A program to run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Where it may be: each is tried, as `execvp` does it.
    pub(crate) candidates: &'a [CString],
    /// Its arguments, its name first.
    pub(crate) arguments: &'a [CString],
    /// `NAME=value` each.
    pub(crate) environment: &'a [CString],
    /// How gladly the kernel kills it when memory runs out.
    pub(crate) oom_score_adj: i32,
    /// The cgroup that it begins in.
    pub(crate) cgroup: Option<&'a CgroupDirectory>,
}

/// A cgroup's directory, opened.
#[derive(Debug)]
pub(crate) struct CgroupDirectory {
    handle: OwnedFd,
    procs: std::path::PathBuf,
}

/// A process that was made, and what it has to say if it can't become its program.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    report: File,
}

impl CgroupDirectory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            handle: File::open(path)?.into(),
            procs: path.join("cgroup.procs"),
        })
    }
}

impl Child {
    /// Why it did not become its program. Asked once it has ended: it never waits.
    pub(crate) fn failure(&mut self) -> Option<Errno> {
        let mut number = [0; 4];
        io::Read::read_exact(&mut self.report, &mut number).ok()?;
        Some(Errno::from_raw(i32::from_ne_bytes(number)))
    }
}

/// Gives every signal its default effect in this process, and so in the programs that it starts: signals that are ignored
/// (Rust ignores SIGPIPE, `nohup` SIGHUP) stay ignored across exec.
pub(crate) fn reset_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // Fails for SIGKILL and SIGSTOP, and for the two that libc keeps for itself.
        // SAFETY: the default disposition runs none of our code.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// Makes a process that becomes `program`, in a process group of its own. This process must have one thread.
pub(crate) fn spawn(program: &Program<'_>) -> io::Result<Child> {
    // Closed by exec, so that a program that runs has nothing to say. The reading end must not wait for it.
    let (report, reporter) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let (pid, inside) = match program.cgroup.map(clone_into) {
        Some(Ok(pid)) => (pid, true),
        // Old kernels, and containers whose filter denies clone3.
        Some(Err(_)) | None => {
            // SAFETY: this process has one thread (see the page of this module), so the child may do what it likes.
            let pid = match unsafe { fork() }? {
                ForkResult::Parent { child } => child,
                ForkResult::Child => Pid::from_raw(0),
            };
            (pid, false)
        }
    };
    if pid.as_raw() != 0 {
        return Ok(Child {
            pid,
            report: File::from(report),
        });
    }
    let error = become_program(program, inside);
    let _ = File::from(reporter).write_all(&(error as i32).to_ne_bytes());
    // SAFETY: ends this process without running what the parent has left to do at its exit.
    unsafe { libc::_exit(127) }
}

/// Forks into the cgroup. Moving a process there later, by `cgroup.procs`, would make the kernel wait for all processors: 6 to
/// 20 ms on an idle machine, for 0.2 ms here. The answer in the child is 0.
fn clone_into(cgroup: &CgroupDirectory) -> io::Result<Pid> {
    // SAFETY: a `clone_args` is numbers, for all of which 0 means "not given".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = u64::try_from(cgroup.handle.as_raw_fd()).map_err(io::Error::other)?;
    // SAFETY: without CLONE_VM and with no stack given this is fork: the child has a copy of everything and goes on here. No
    // other thread is there to have held a lock, and libc's handlers for fork have nothing to do for one thread.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<libc::clone_args>(),
        )
    };
    let pid = Errno::result(answer)?;
    Ok(Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?))
}

/// In the child: sets up what the program is to find, and becomes it. Returns why it could not.
fn become_program(program: &Program<'_>, inside_cgroup: bool) -> Errno {
    if let Some(cgroup) = program.cgroup.filter(|_| !inside_cgroup) {
        // Where it can't be, the supervisor ends the tree without it.
        let _ = fs::write(&cgroup.procs, "0");
    }
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    // Raising it is always allowed.
    let _ = fs::write("/proc/self/oom_score_adj", program.oom_score_adj.to_string());
    // The dispositions are those of this process: see `reset_signals`.
    let _ = SigSet::empty().thread_set_mask();

    let mut failure = Errno::ENOENT;
    for candidate in program.candidates {
        match execve(candidate, program.arguments, program.environment) {
            Ok(never) => match never {},
            // Not this one: the next. One that may not be run is what the author wants to hear of, if there is no other.
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) => failure = Errno::EACCES,
            Err(error) => return error,
        }
    }
    failure
}
