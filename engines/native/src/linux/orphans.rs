//! Processes whose supervisor was killed.
//!
//! A supervisor is the subreaper of its task: no process can leave the tree below it, except by killing it. A hostile task of
//! the same user can. Then its processes go to the next subreaper, which is the worker, and must be found among the children
//! of the worker: a task's process is always in another session than the worker's. Each supervisor begins a session of its
//! own, and a process can begin a new session but never join one. The other children that the worker has in sessions of their
//! own are supervisors, which are listed here. So what remains belongs to a supervisor that is dead; of which of several dead
//! ones does not matter, since all of their runs are over.
//!
//! This holds as long as nothing else in the worker starts children in sessions of their own.

use std::{
    collections::BTreeSet,
    io,
    process::{Child, Command, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{Pid, getpid, getsid},
};

use super::{
    pidfd::Pidfd,
    pipe::poll_timeout,
    processes::{self, Process},
};

/// The living supervisors of all engines of this process. One list, because there is one list of children.
static SUPERVISORS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How long a process that was killed has to be gone. The kernel needs that long only for one that holds a lot of memory, or
/// waits for a device.
const KILLED: Duration = Duration::from_secs(5);

/// A supervisor's process. It is on the list until it was waited for.
#[derive(Debug)]
pub(crate) struct SupervisorProcess {
    child: Child,
    ended: Option<ExitStatus>,
}

/// Lets the orphans of this process's descendants become its children. For the whole process, and for good.
pub(crate) fn adopt() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

impl SupervisorProcess {
    /// Starts a supervisor.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // Held meanwhile, so that no sweep takes it for an orphan before it is on the list.
        let mut supervisors = supervisors();
        let child = command.spawn()?;
        if let Ok(pid) = i32::try_from(child.id()) {
            supervisors.insert(pid);
        }
        Ok(Self { child, ended: None })
    }

    /// Kills it, if it does not end by itself within `grace`, and asks how it ended. None if it did not end.
    pub(crate) fn end(&mut self, grace: Duration) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        if !self.has_ended_within(grace)? {
            self.child.kill()?;
            if !self.has_ended_within(KILLED)? {
                return Ok(None);
            }
        }
        // Held meanwhile: as soon as it was waited for, its number may be that of the next supervisor.
        let mut supervisors = supervisors();
        let status = self.child.wait()?;
        if let Ok(pid) = i32::try_from(self.child.id()) {
            supervisors.remove(&pid);
        }
        self.ended = Some(status);
        Ok(self.ended)
    }

    fn has_ended_within(&self, limit: Duration) -> io::Result<bool> {
        // Our own child, not waited for: the number is its own.
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        ends_within(&Pidfd::open(Pid::from_raw(pid))?, Instant::now() + limit)
    }
}

impl Drop for SupervisorProcess {
    /// For what did not end it: a panic, or a thread that could not be started.
    fn drop(&mut self) {
        let _ = self.end(KILLED);
    }
}

/// Kills all processes whose supervisor is dead, and their descendants. Answers those that were still there at the end of
/// `limit`.
pub(crate) fn sweep(limit: Duration) -> io::Result<Vec<Pid>> {
    let deadline = Instant::now() + limit;
    loop {
        kill_roots()?;
        let orphans = find()?;
        let Some(first) = orphans.first() else {
            return Ok(Vec::new());
        };
        // A killed process can't fork any more. What it forked before we looked becomes an orphan when it ends, and is found
        // in the next round.
        for orphan in &orphans {
            orphan.signal(Signal::SIGKILL);
        }
        if let Ok(handle) = Pidfd::open(first.pid) {
            ends_within(&handle, deadline)?;
        }
        if Instant::now() >= deadline {
            return Ok(find()?.iter().map(|orphan| orphan.pid).collect());
        }
    }
}

/// Kills the orphans themselves as long as new ones come: a process that forks and ends at once is caught by looking often.
fn kill_roots() -> io::Result<()> {
    let mut killed = BTreeSet::new();
    let mut new = true;
    while new {
        new = false;
        let children: Vec<_> = processes::children()
            .into_iter()
            .filter_map(processes::one)
            .collect();
        for root in roots(&children)? {
            root.signal(Signal::SIGKILL);
            new |= killed.insert(root.pid);
        }
    }
    Ok(())
}

/// The orphans and their descendants, the orphans themselves first.
fn find() -> io::Result<Vec<Process>> {
    let all = processes::all()?;
    let mut orphans = roots(&all)?;
    let mut below = processes::descendants(&all, orphans.iter().map(|root| root.pid));
    below.retain(|process| !process.zombie);
    orphans.extend(below);
    Ok(orphans)
}

/// The orphans among some processes. Those that have ended are reaped.
fn roots(processes: &[Process]) -> io::Result<Vec<Process>> {
    let supervisors = supervisors();
    let session = getsid(None)?;
    let worker = getpid();
    let mut roots = Vec::new();
    for process in processes
        .iter()
        .filter(|process| process.parent == worker && process.session != session)
    {
        if supervisors.contains(&process.pid.as_raw()) {
            continue;
        }
        if process.zombie {
            let _ = waitpid(process.pid, Some(WaitPidFlag::WNOHANG));
        } else {
            roots.push(*process);
        }
    }
    Ok(roots)
}

/// Waits for the end of a process, and answers whether it has ended.
pub(crate) fn ends_within(process: &Pidfd, deadline: Instant) -> io::Result<bool> {
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let mut descriptors = [PollFd::new(std::os::fd::AsFd::as_fd(process), PollFlags::POLLIN)];
        match poll(&mut descriptors, poll_timeout(Some(remaining))) {
            Ok(0) if Instant::now() >= deadline => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn supervisors() -> MutexGuard<'static, BTreeSet<i32>> {
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}
