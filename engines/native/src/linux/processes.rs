//! The processes of the machine, as `/proc` tells of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use nix::{
    sys::signal::Signal,
    unistd::{Pid, getpid},
};

use super::pidfd::Pidfd;

/// A process at the moment of the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) parent: Pid,
    pub(crate) session: Pid,
    /// Whether it has ended, and its parent has not asked how.
    pub(crate) zombie: bool,
    /// In clock ticks since boot: with the number it names the process for good.
    started: u64,
}

/// All processes that can be seen. One that comes or goes meanwhile may be missing.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(process) = one(Pid::from_raw(pid)) {
            processes.push(process);
        }
    }
    Ok(processes)
}

/// The processes below those of `roots`, without the roots themselves.
pub(crate) fn descendants(processes: &[Process], roots: impl IntoIterator<Item = Pid>) -> Vec<Process> {
    let mut children = BTreeMap::<Pid, Vec<Process>>::new();
    for process in processes {
        children.entry(process.parent).or_default().push(*process);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut parents: Vec<Pid> = roots.into_iter().collect();
    while let Some(parent) = parents.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            // Processes that came and went while we looked can make it seem as if there were a circle.
            if seen.insert(child.pid) {
                found.push(*child);
                parents.push(child.pid);
            }
        }
    }
    found
}

/// The children of this process, living or not. Quick, where looking at all processes is not: a process that forks and ends
/// again and again is gone by the time it was found among all. Empty where the kernel can't tell (it is built without
/// `CONFIG_PROC_CHILDREN`).
pub(crate) fn children() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .map(Pid::from_raw),
        );
    }
    children
}

/// The living processes below this one.
pub(crate) fn own_descendants() -> io::Result<Vec<Process>> {
    let mut below = descendants(&all()?, [getpid()]);
    below.retain(|process| !process.zombie);
    Ok(below)
}

impl Process {
    /// Whether this is the same process as it was at another moment.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }

    /// Sends a signal to this process, and to none that has got its number since. Answers whether it was there.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let Ok(handle) = Pidfd::open(self.pid) else {
            return false;
        };
        // The handle is of whatever has the number now. From here on it stays the same one.
        one(self.pid).is_some_and(|now| now.is(self)) && handle.signal(signal).is_ok()
    }
}

/// The process of a number.
pub(crate) fn one(pid: Pid) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // `12 (any bytes) S 1 12 12 …`: the name may hold anything, spaces and brackets too, so count from its end.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent: Pid::from_raw(parent),
        session: Pid::from_raw(session),
        zombie: matches!(state, "Z" | "X"),
        started,
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::parent_id, process::Command};

    use super::*;

    #[test]
    fn a_process_is_described_as_it_is() {
        let own = one(getpid()).unwrap();
        assert_eq!(own.parent.as_raw(), i32::try_from(parent_id()).unwrap());
        assert_eq!(own.session, nix::unistd::getsid(None).unwrap());
        assert!(!own.zombie);
        assert!(own.started > 0);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_nothing_else_is() {
        let process = |pid, parent| Process {
            pid: Pid::from_raw(pid),
            parent: Pid::from_raw(parent),
            session: Pid::from_raw(1),
            zombie: false,
            started: 1,
        };
        let all = [
            process(1, 0),
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 1),
            process(6, 5),
        ];
        let mut below: Vec<i32> = descendants(&all, [Pid::from_raw(2)])
            .iter()
            .map(|process| process.pid.as_raw())
            .collect();
        below.sort_unstable();
        assert_eq!(below, [3, 4]);
    }

    #[test]
    fn a_signal_does_not_reach_a_process_that_got_the_number_later() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let now = one(Pid::from_raw(i32::try_from(child.id()).unwrap())).unwrap();
        let before = Process {
            started: now.started - 1,
            ..now
        };
        assert!(!before.signal(Signal::SIGKILL));
        assert!(child.try_wait().unwrap().is_none());
        assert!(now.signal(Signal::SIGKILL));
        child.wait().unwrap();
    }
}
