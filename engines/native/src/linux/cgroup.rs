//! Control groups (version 2), for one thing: to end all processes of a run at once, wherever in the tree they are.
//!
//! ```text
//! <the worker's own cgroup>/taskcluster-worker-<hash of the tasks directory>/<taskId>_<runId>
//! ```
//!
//! The groups have no controllers, so it does not matter that the worker is a process inside of an inner group. Nothing of
//! this is needed: where there is no cgroup that can be written to (no delegation, a read-only mount) a run ends by its
//! supervisor alone.

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use engine_api::RunKey;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
    unistd::{AccessFlags, access},
};

use super::pipe::poll_timeout;

/// How long killed processes of a predecessor have to be gone.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(10);

/// The groups of all runs of an engine.
#[derive(Debug)]
pub(crate) struct Cgroups {
    path: PathBuf,
}

/// The group of a run.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroups {
    /// The groups of the engine whose runs are in `tasks_directory`, if this process may make groups.
    pub(crate) fn find(tasks_directory: &Path) -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        mounts(&mountinfo)
            .filter_map(|mount| mount.path_of(own))
            .find_map(|parent| {
                // A process is cloned into a group by those who may move processes out of the group above.
                access(&parent.join("cgroup.procs"), AccessFlags::W_OK).ok()?;
                let name = format!(
                    "taskcluster-worker-{:016x}",
                    fnv(tasks_directory.as_os_str().as_bytes())
                );
                let path = parent.join(name);
                create(&path).ok()?;
                // Linux 5.14 and later.
                access(&path.join("cgroup.kill"), AccessFlags::W_OK).ok()?;
                Some(Self { path })
            })
    }

    /// Ends what a killed predecessor left. Answers what could not be removed.
    pub(crate) fn remove_leftovers(&self) -> io::Result<()> {
        for path in children(&self.path)? {
            let group = Cgroup::at(path);
            group.kill()?;
            group.wait_until_empty(LEFTOVER_LIMIT)?;
            group.remove()?;
        }
        Ok(())
    }

    /// The group of a run, new.
    pub(crate) fn create(&self, run: &RunKey) -> io::Result<Cgroup> {
        let path = self.path.join(run.file_name());
        fs::create_dir(&path)?;
        Ok(Cgroup { path })
    }

    /// Removes the directory that the groups are in. They must be gone.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

impl Cgroup {
    /// The group that is there.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sends SIGKILL to every process in it and below. Those that are being forked are killed too.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Waits until no process is in it or below. Answers whether that is so.
    pub(crate) fn wait_until_empty(&self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        // The file must stay open, and be read each time, for the kernel to tell of changes.
        let events = fs::File::open(self.path.join("cgroup.events"))?;
        loop {
            let mut buffer = [0; 256];
            let length = std::os::unix::fs::FileExt::read_at(&events, &mut buffer, 0)?;
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if text.lines().any(|line| line == "populated 0") {
                return Ok(true);
            }
            let Some(remaining) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(false);
            };
            let mut descriptors = [PollFd::new(std::os::fd::AsFd::as_fd(&events), PollFlags::POLLPRI)];
            match poll(&mut descriptors, poll_timeout(Some(remaining))) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes it, with the groups that the task made in it. No process may be there.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut groups = vec![self.path.clone()];
        let mut next = 0;
        while let Some(group) = groups.get(next).cloned() {
            groups.extend(children(&group)?);
            next += 1;
        }
        groups.iter().rev().try_for_each(|group| remove(group))
    }
}

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// What of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Where the group with this name in the hierarchy is.
    fn path_of(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(&self.root).ok()?;
        Some(self.point.join(below))
    }
}

/// The writable version 2 hierarchies: `/sys/fs/cgroup`, or beside those of version 1 (`/sys/fs/cgroup/unified`).
fn mounts(mountinfo: &str) -> impl Iterator<Item = Mount> {
    mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point, options) = (fields.next()?, fields.next()?, fields.next()?);
        let writable = options.split(',').any(|option| option == "rw");
        (filesystem.starts_with("cgroup2 ") && writable).then(|| Mount {
            root: unescape(root).into(),
            point: unescape(point).into(),
        })
    })
}

/// Undoes what the kernel does to space, tab, line end and backslash in `mountinfo`.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

fn create(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        answer => answer,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer,
    }
}

fn children(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}

/// FNV-1a: a short name that is the same in every build. It need not resist anybody: who chooses the directory chooses both.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writable_hierarchies_of_version_2_are_used_a_hybrid_one_too() {
        let mountinfo = "\
            25 1 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            26 25 0:23 / /sys/fs/cgroup/pids rw,relatime shared:1 - cgroup cgroup rw,pids\n\
            27 25 0:24 / /sys/fs/cgroup/unified rw,relatime shared:2 master:3 - cgroup2 cgroup2 rw\n\
            28 25 0:25 /a\\040b /mnt/c\\134d rw - cgroup2 none rw\n\
            29 25 0:26 / /sys/fs/cgroup2 ro,relatime - cgroup2 cgroup2 rw\n";
        let found: Vec<_> = mounts(mountinfo).collect();
        assert_eq!(
            found,
            [
                Mount {
                    root: "/".into(),
                    point: "/sys/fs/cgroup/unified".into()
                },
                Mount {
                    root: "/a b".into(),
                    point: "/mnt/c\\d".into()
                }
            ]
        );
    }

    #[test]
    fn a_group_is_found_below_the_part_of_the_hierarchy_that_is_mounted() {
        let mount = Mount {
            root: "/docker/ab".into(),
            point: "/sys/fs/cgroup".into(),
        };
        assert_eq!(mount.path_of("/docker/ab/x"), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(mount.path_of("/docker/ab"), Some("/sys/fs/cgroup".into()));
        assert_eq!(mount.path_of("/docker/abc"), None);
    }
}
