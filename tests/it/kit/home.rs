//! A directory of a test's own, and the end of everything that was started in it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{cgroup_name, cgroups_of, processes_of};

/// How long processes of a killed worker have to be gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A directory. Its path is in the environment of every process that the test starts, and is how they are found.
#[derive(Debug)]
pub(crate) struct Home {
    directory: TempDir,
    path: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("tcw-it-").tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        std::fs::create_dir(path.join("tmp")).unwrap();
        Self { directory, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What processes of this test make temporary files in.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// The living processes of this test, with their command lines.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        processes_of(&self.path.to_string_lossy())
    }
}

/// Removes the cgroups of a worker that was killed.
fn remove_cgroups(tasks: &Path) {
    for group in cgroups_of(&cgroup_name(tasks)) {
        for run in std::fs::read_dir(&group).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(run.path());
        }
        let _ = std::fs::remove_dir(group);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Supervisors whose worker was killed are ending their tasks by themselves; what is left then is killed.
        let deadline = Instant::now() + LAST_WORDS;
        while !self.processes().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        for (pid, _) in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for folder in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            remove_cgroups(&folder.path().join("tasks"));
        }
        debug_assert!(self.directory.path().exists());
    }
}
