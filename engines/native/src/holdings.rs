//! What a run holds on the machine, from the builder to the result set: a directory, a cgroup, processes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engine_api::{DisposeError, RunKey};
use nix::libc;

use crate::{
    files::remove,
    linux::{
        cgroup::{Cgroup, Cgroups},
        orphans,
    },
};

/// How long killed processes have to be gone.
const LIMIT: Duration = Duration::from_secs(10);

/// What a run holds. Nothing is released before [`release`](Self::release).
#[derive(Debug)]
pub(crate) struct Holdings {
    path: PathBuf,
    /// The directory itself, whatever the task has put in the place of its name.
    directory: Arc<OwnedFd>,
    cgroup: Option<Cgroup>,
    /// Whether there may be processes that no supervisor ends.
    processes: AtomicBool,
}

impl Holdings {
    /// Makes the directory and, where there are groups, the group of a run.
    pub(crate) fn acquire(tasks: &Path, cgroups: Option<&Cgroups>, run: &RunKey) -> io::Result<Self> {
        let path = tasks.join(run.file_name());
        DirBuilder::new().mode(0o700).create(&path)?;
        let held = open(&path).and_then(|directory| {
            Ok(Self {
                path: path.clone(),
                directory: Arc::new(directory),
                // Last: nothing that follows can fail and leave it behind.
                cgroup: cgroups.map(|cgroups| cgroups.create(run)).transpose()?,
                processes: AtomicBool::new(false),
            })
        });
        if held.is_err() {
            let _ = fs::remove_dir(&path);
        }
        held
    }

    /// The task's directory, by name.
    pub(crate) fn directory(&self) -> &Path {
        &self.path
    }

    /// The task's directory itself.
    pub(crate) fn directory_handle(&self) -> &Arc<OwnedFd> {
        &self.directory
    }

    /// The directory of the cgroup.
    pub(crate) fn cgroup(&self) -> Option<&Path> {
        self.cgroup.as_ref().map(Cgroup::path)
    }

    /// To be called when a supervisor was started.
    pub(crate) fn processes_begin(&self) {
        self.processes.store(true, Ordering::SeqCst);
    }

    /// To be called when the supervisor said that it has ended all of them.
    pub(crate) fn processes_are_gone(&self) {
        self.processes.store(false, Ordering::SeqCst);
    }

    /// Kills what is in the cgroup, if there is one, without waiting for it.
    pub(crate) fn kill_cgroup(&self) {
        if let Some(Err(error)) = self.cgroup.as_ref().map(Cgroup::kill) {
            tracing::debug!(directory = %self.path.display(), %error, "could not kill a cgroup");
        }
    }

    /// Ends all processes that the run's supervisor did not end, now that it is dead.
    pub(crate) fn end_processes(&self) -> Result<(), DisposeError> {
        if !self.processes.load(Ordering::SeqCst) {
            return Ok(());
        }
        let failed =
            |error: io::Error| DisposeError::Processes(format!("of {}: {error}", self.path.display()));
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill().map_err(failed)?;
            if !cgroup.wait_until_empty(LIMIT).map_err(failed)? {
                return Err(DisposeError::Processes(format!(
                    "of the cgroup {}",
                    cgroup.path().display()
                )));
            }
        }
        let left = orphans::sweep(LIMIT).map_err(failed)?;
        if !left.is_empty() {
            return Err(DisposeError::Processes(format!(
                "of {}: {left:?}",
                self.path.display()
            )));
        }
        self.processes_are_gone();
        Ok(())
    }

    /// Ends processes, and removes the group and the directory. May be called again where it failed.
    pub(crate) fn release(&self) -> Result<(), DisposeError> {
        self.end_processes()?;
        let failed =
            |path: &Path, error: io::Error| DisposeError::Files(format!("{}: {error}", path.display()));
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove().map_err(|error| failed(cgroup.path(), error))?;
        }
        remove::contents(self.directory.as_fd()).map_err(|error| failed(&self.path, error))?;
        self.remove_directory().map_err(|error| failed(&self.path, error))
    }

    /// Removes the directory, which is empty, and what a task has put in the place of its name.
    fn remove_directory(&self) -> io::Result<()> {
        match fs::remove_dir(&self.path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(&self.path)?,
            Err(error) => return Err(error),
        }
        // The task has moved it away, or removed it.
        let moved = fs::read_link(format!("/proc/self/fd/{}", self.directory.as_raw_fd()))?;
        match fs::remove_dir(moved) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

fn open(directory: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_PATH;
    Ok(File::options()
        .read(true)
        .custom_flags(flags)
        .open(directory)?
        .into())
}
