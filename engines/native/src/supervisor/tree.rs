//! How a tree is ended.

use std::{collections::BTreeSet, os::fd::AsFd};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::setup::{ChildSignals, Commands};
use crate::linux::processes;

/// How long to wait for a child to end before looking again, in milliseconds. That a child ends is told; this is for what
/// nothing tells.
const LOOK_AGAIN: u16 = 100;

/// Sends a signal to every process below this one.
pub(super) fn signal(signal: Signal) {
    for process in processes::own_descendants().unwrap_or_default() {
        process.signal(signal);
    }
}

/// Kills every process below this one, and returns when none is left. Answers how many there were.
///
/// It takes rounds. A process that got SIGKILL can't fork any more, so what escapes a round was forked before; its parent,
/// or the parent of that, was killed in the round, and it becomes a child of this process, which the next round sees.
/// Processes that the kernel does not let end (in a system call that can't be interrupted) are waited for without limit: the
/// worker has one.
pub(super) fn end(commands: &Commands, signals: &ChildSignals) -> usize {
    let mut killed = BTreeSet::new();
    while reap() == Children::Left {
        let below = processes::own_descendants().unwrap_or_default();
        // All at once, those too that are just being forked.
        if let Some(cgroup) = commands.cgroup() {
            let _ = cgroup.kill();
        }
        // Those that left the cgroup, which root can; and where there is none.
        for process in below {
            process.signal(Signal::SIGKILL);
            killed.insert(process.pid);
        }
        if kill_children(&mut killed) == Children::Left {
            let _ = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], LOOK_AGAIN);
        }
        let _ = signals.clear();
    }
    killed.len()
}

/// Kills children as long as new ones come: a process that forks and ends at once is caught by looking often.
fn kill_children(killed: &mut BTreeSet<Pid>) -> Children {
    let mut new = true;
    while new {
        new = false;
        for child in processes::children() {
            // A child of ours that we have not waited for: its number is its own.
            let _ = kill(child, Signal::SIGKILL);
            new |= killed.insert(child);
        }
        if reap() == Children::None {
            return Children::None;
        }
    }
    Children::Left
}

#[derive(PartialEq, Eq)]
enum Children {
    Left,
    None,
}

fn reap() -> Children {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return Children::Left,
            Ok(_) | Err(Errno::EINTR) => {}
            // ECHILD, the only error that there is.
            Err(_) => return Children::None,
        }
    }
}
