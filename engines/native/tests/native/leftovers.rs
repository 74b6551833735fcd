//! What is there after a worker was killed, and what the next one does about it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

use engine_api::{Engine, conformance::Suite};
use engine_native::{LeftoversError, NativeConfig, NewEngineError, TaskProcessCommand};

use crate::{
    cgroups,
    kit::{engine, lives, number_in, shell},
    runner::{block_on, tests},
};

tests![
    a_task_ends_with_its_worker,
    the_next_worker_removes_what_a_killed_one_and_its_killed_supervisors_left,
    nothing_but_the_directories_of_runs_is_removed,
    a_config_that_can_not_be_meant_is_refused,
];

/// The first argument of this program as a worker that runs one task and does not end.
pub(crate) const WORKER: &str = "__worker";

/// A command, a daemon, and a process that shows nowhere whose it is.
const SCRIPT: &str = "setsid sh -c 'sleep 1000 & echo $! >daemon.new; mv daemon.new daemon' & wait
    env -i /usr/bin/setsid /bin/sh -c 'echo $$ >hidden.new; /bin/mv hidden.new hidden; cd /; exec sleep 1000' &
    echo $PPID >supervisor.new; mv supervisor.new supervisor; echo $$ >pid.new; mv pid.new pid; sleep 1000";

/// A worker that runs [`SCRIPT`] in the directory that is its argument.
pub(crate) fn work(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let tasks = PathBuf::from(arguments.next().unwrap());
    block_on(async {
        let suite = Suite::new(Arc::new(engine(NativeConfig::default(), &tasks)), Vec::new);
        let (_, sandbox) = suite.start(shell(SCRIPT), &[]).await;
        suite.end(sandbox.as_ref()).await;
    });
    ExitCode::SUCCESS
}

/// A worker with a task that runs: its supervisor, its command, its daemon, and the hidden process.
struct Worker {
    process: Child,
    processes: [i32; 4],
}

impl Worker {
    fn start(tasks: &Path) -> Self {
        let process = Command::new("/proc/self/exe")
            .arg(WORKER)
            .arg(tasks)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let directory = loop {
            match fs::read_dir(tasks).unwrap().next() {
                Some(entry) => break entry.unwrap().path(),
                None => std::thread::yield_now(),
            }
        };
        let processes =
            ["supervisor", "pid", "daemon", "hidden"].map(|file| number_in(&directory.join(file)));
        assert!(processes.into_iter().all(lives));
        Self { process, processes }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn count(tasks: &Path) -> usize {
    fs::read_dir(tasks).unwrap().count()
}

async fn a_task_ends_with_its_worker() {
    let tasks = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(tasks.path());
    worker.kill();
    // Nobody tells them.
    while worker.processes.into_iter().any(lives) {
        std::thread::yield_now();
    }
    assert_eq!(count(tasks.path()), 1);
    let next = engine(NativeConfig::default(), tasks.path());
    assert_eq!(count(tasks.path()), 0);
    next.dispose().await.unwrap();
}

async fn the_next_worker_removes_what_a_killed_one_and_its_killed_supervisors_left() {
    let tasks = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(tasks.path());
    let [supervisor, command, daemon, hidden] = worker.processes;
    let kill =
        |pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    // So that it can't clean up between the two deaths.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(supervisor),
        nix::sys::signal::Signal::SIGSTOP,
    )
    .unwrap();
    worker.kill();
    kill(supervisor).unwrap();
    while lives(supervisor) {
        std::thread::yield_now();
    }
    assert!(lives(command) && lives(daemon) && lives(hidden));
    let next = engine(NativeConfig::default(), tasks.path());
    assert!(!lives(command) && !lives(daemon));
    // It is found by its cgroup alone.
    assert_eq!(lives(hidden), cgroups::usable().is_none());
    let _ = kill(hidden);
    assert_eq!(count(tasks.path()), 0);
    next.dispose().await.unwrap();
}

async fn nothing_but_the_directories_of_runs_is_removed() {
    let tasks = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("kept"), "").unwrap();
    fs::create_dir(tasks.path().join("important")).unwrap();
    fs::create_dir_all(tasks.path().join("VtbPFRGYTBeFVuXJyHG3Zg_0/a/b")).unwrap();
    std::os::unix::fs::symlink(
        outside.path(),
        tasks.path().join("VtbPFRGYTBeFVuXJyHG3Zg_0/a/link"),
    )
    .unwrap();
    std::os::unix::fs::symlink(outside.path(), tasks.path().join("VtbPFRGYTBeFVuXJyHG3Zg_1")).unwrap();
    let next = engine(NativeConfig::default(), tasks.path());
    let left: Vec<_> = fs::read_dir(tasks.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["important"]);
    assert!(outside.path().join("kept").exists());
    next.dispose().await.unwrap();
}

async fn a_config_that_can_not_be_meant_is_refused() {
    let tasks = tempfile::tempdir().unwrap();
    let new = |config: NativeConfig, tasks: &Path| {
        let command = TaskProcessCommand::this_program(["__task"]);
        engine_native::NativeEngine::new(config, tasks.to_owned(), command)
            .map(drop)
            .unwrap_err()
    };
    let relative = NativeConfig {
        extract_roots: vec!["out".into()],
        ..NativeConfig::default()
    };
    assert!(matches!(
        new(relative, tasks.path()),
        NewEngineError::RelativeRoot { .. }
    ));
    let environment = [("A=B".to_owned(), String::new())].into();
    let named = NativeConfig {
        environment,
        ..NativeConfig::default()
    };
    assert!(matches!(
        new(named, tasks.path()),
        NewEngineError::Environment { .. }
    ));
    let no_directory = new(NativeConfig::default(), Path::new("/dev/null/tasks"));
    assert!(
        matches!(no_directory, NewEngineError::TasksDirectory { .. }),
        "{no_directory:?}"
    );
    assert!(!matches!(
        no_directory,
        NewEngineError::Leftovers(LeftoversError::Immortal(_))
    ));
}
