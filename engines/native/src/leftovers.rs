//! What a worker that was killed has left: processes, cgroups, directories.
//!
//! Supervisors notice that their worker is dead and end their tasks, so most of it is gone or about to be. What is in cgroups is
//! found for certain. Where there are none, a process whose supervisor was killed as well is found by the `TASK_WORKDIR` that
//! it was started with; one that hid that too is not found.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::signal::Signal,
    unistd::{Pid, getpid},
};

use crate::{
    TaskProcessCommand,
    files::remove,
    linux::{
        cgroup::Cgroups,
        orphans::ends_within,
        pidfd::Pidfd,
        processes::{self, Process},
    },
};

/// How long the supervisors have for the end of their tasks, and then killed processes for theirs.
const LIMIT: Duration = Duration::from_secs(10);

/// Why something of a predecessor's is still there.
#[derive(Debug, thiserror::Error)]
pub enum LeftoversError {
    /// A directory of a task.
    #[error("can't remove {}, which a former worker has left", path.display())]
    Directory {
        /// Where it is, or the directory that could not be listed.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A cgroup of a task, or what is in it.
    #[error("can't remove the cgroups that a former worker has left")]
    Cgroups(#[source] io::Error),
    /// The processes of the machine can't be looked at.
    #[error("can't look for processes that a former worker has left")]
    Processes(#[source] io::Error),
    /// Processes that were killed, and are still there.
    #[error("can't end the processes that a former worker has left: {0:?}")]
    Immortal(Vec<i32>),
}

/// Removes it all.
pub(crate) fn remove(
    tasks: &Path,
    task_process: &TaskProcessCommand,
    cgroups: Option<&Cgroups>,
) -> Result<(), LeftoversError> {
    let supervisors = find(|pid| is_supervisor(pid, tasks, task_process))?;
    if let Some(cgroups) = cgroups {
        cgroups.remove_leftovers().map_err(LeftoversError::Cgroups)?;
    }
    // They are ending their tasks by themselves. Killing them would leave what they have not ended yet.
    let late = wait_for(&supervisors)?;
    for process in &late {
        process.signal(Signal::SIGKILL);
    }
    let mut killed = find(|pid| is_of_a_task(pid, tasks))?;
    for process in &killed {
        process.signal(Signal::SIGKILL);
    }
    killed.extend(late);
    let immortal = wait_for(&killed)?;
    if !immortal.is_empty() {
        return Err(LeftoversError::Immortal(
            immortal.iter().map(|process| process.pid.as_raw()).collect(),
        ));
    }
    remove_directories(tasks)
}

/// Whether a name is one that we give to what belongs to a run: nothing else in the directory is touched.
pub(crate) fn is_run(name: &str) -> bool {
    let id = |id: &str| {
        id.len() == 22
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // The identifier may hold the character that ends it.
    name.rsplit_once('_')
        .is_some_and(|(task, run)| id(task) && number(run))
}

fn find(wanted: impl Fn(Pid) -> bool) -> Result<Vec<Process>, LeftoversError> {
    let mut processes = processes::all().map_err(LeftoversError::Processes)?;
    processes.retain(|process| process.pid != getpid() && !process.zombie && wanted(process.pid));
    Ok(processes)
}

/// Answers those that have not ended in time.
fn wait_for(processes: &[Process]) -> Result<Vec<Process>, LeftoversError> {
    let deadline = Instant::now() + LIMIT;
    let mut late = Vec::new();
    for process in processes {
        let Ok(handle) = Pidfd::open(process.pid) else {
            continue;
        };
        if processes::one(process.pid).is_some_and(|now| now.is(process))
            && !ends_within(&handle, deadline).map_err(LeftoversError::Processes)?
        {
            late.push(*process);
        }
    }
    Ok(late)
}

/// Whether a process was started as the supervisor of a run in our directory.
fn is_supervisor(pid: Pid, tasks: &Path, task_process: &TaskProcessCommand) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut arguments = line.split(|&byte| byte == 0).skip(1);
    task_process
        .args
        .iter()
        .all(|expected| arguments.next() == Some(expected.as_bytes()))
        && arguments
            .next()
            .is_some_and(|directory| is_directory_of_a_run(directory, tasks))
}

fn is_of_a_task(pid: Pid, tasks: &Path) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    environment
        .split(|&byte| byte == 0)
        .filter_map(|variable| variable.strip_prefix(b"TASK_WORKDIR="))
        .any(|directory| is_directory_of_a_run(directory, tasks))
}

fn is_directory_of_a_run(path: &[u8], tasks: &Path) -> bool {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    path.parent() == Some(tasks)
        && path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_run)
}

fn remove_directories(tasks: &Path) -> Result<(), LeftoversError> {
    let failed = |path: &Path, source| LeftoversError::Directory {
        path: path.to_owned(),
        source,
    };
    for entry in fs::read_dir(tasks).map_err(|error| failed(tasks, error))? {
        let entry = entry.map_err(|error| failed(tasks, error))?;
        if entry.file_name().to_str().is_some_and(is_run) {
            let path = entry.path();
            remove_directory(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

fn remove_directory(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_PATH;
    let directory = fs::File::options().read(true).custom_flags(flags).open(path)?;
    remove::contents(directory.as_fd())?;
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_after_a_run_is_a_leftover() {
        for name in ["VtbPFRGYTBeFVuXJyHG3Zg_0", "_____________________-_17"] {
            assert!(is_run(name), "{name}");
        }
        for name in [
            "",
            "x",
            "VtbPFRGYTBeFVuXJyHG3Zg",
            "VtbPFRGYTBeFVuXJyHG3Zg_",
            "VtbPFRGYTBeFVuXJyHG3Zg_x",
            "../a_0",
        ] {
            assert!(!is_run(name), "{name}");
        }
    }
}
