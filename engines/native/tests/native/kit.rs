//! What the tests have in common.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use engine_api::{
    Content, ContentReader, FolderEntry, ResultSet, Sandbox, SandboxEnd,
    conformance::{MemoryLog, Suite},
};
use engine_native::{NativeConfig, NativeEngine, TaskProcessCommand};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

/// The first argument of a supervisor.
pub(crate) const TASK_PROCESS: &str = "__task";

/// How long something may take that takes no time: what hangs has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An engine with a directory of its own.
pub(crate) struct Kit {
    pub(crate) suite: Suite,
    tasks: TempDir,
}

/// A task that has ended.
pub(crate) struct Ended {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) results: Arc<dyn ResultSet>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with(NativeConfig {
            kill_grace: Duration::from_millis(300),
            ..NativeConfig::default()
        })
    }

    pub(crate) fn with(config: NativeConfig) -> Self {
        let tasks = tempfile::tempdir().unwrap();
        let engine = Arc::new(engine(config, tasks.path()));
        let path = tasks.path().to_owned();
        Self {
            suite: Suite::new(engine, move || left_in(&path)),
            tasks,
        }
    }

    /// The directory of the only task.
    pub(crate) fn directory(&self) -> PathBuf {
        let directories = left_in(self.tasks.path());
        assert_eq!(directories.len(), 1, "{directories:?}");
        self.tasks.path().canonicalize().unwrap().join(&directories[0])
    }

    /// Runs a script of `sh` to its end.
    pub(crate) async fn run(&self, script: &str) -> Ended {
        let (log, results) = self.suite.run(shell(script), &[]).await;
        Ended { log, results }
    }

    /// Starts a script of `sh` that prints `ready`, and waits until it has done so.
    pub(crate) async fn start(&self, script: &str) -> (Arc<MemoryLog>, Arc<dyn Sandbox>) {
        let (log, sandbox) = self.suite.start(shell(script), &[]).await;
        // Not the line that shows the command.
        tokio::time::timeout(LIMIT, log.until_contains("\nready\n"))
            .await
            .unwrap();
        (log, sandbox)
    }

    pub(crate) async fn abort(&self, sandbox: &dyn Sandbox) {
        let token = CancellationToken::new();
        token.cancel();
        let end = tokio::time::timeout(LIMIT, sandbox.wait(&token))
            .await
            .unwrap()
            .unwrap();
        assert!(matches!(end, SandboxEnd::Aborted), "{end:?}");
        self.suite.assert_nothing_left();
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.suite.assert_nothing_left();
            // What removes the cgroup that the engine's are in.
            let engine = Arc::clone(self.suite.engine());
            std::thread::spawn(move || {
                crate::runner::block_on(async move { engine.dispose().await.unwrap() })
            })
            .join()
            .unwrap();
        }
    }
}

pub(crate) fn engine(config: NativeConfig, tasks: &Path) -> NativeEngine {
    NativeEngine::new(
        config,
        tasks.to_owned(),
        TaskProcessCommand::this_program([TASK_PROCESS]),
    )
    .unwrap()
}

fn left_in(tasks: &Path) -> Vec<String> {
    fs::read_dir(tasks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A payload of one script. What the engine says of the command is one line, whatever the script is.
pub(crate) fn shell(script: &str) -> Value {
    json!({"command": [["/bin/sh", "-c", script]]})
}

/// Reads a number that a task has written to a file, as soon as it is there and whole.
pub(crate) fn number_in(path: &Path) -> i32 {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(number) = fs::read_to_string(path)
            .ok()
            .and_then(|text| text.strip_suffix('\n')?.parse().ok())
        {
            return number;
        }
        assert!(
            Instant::now() < deadline,
            "there is no number in {}",
            path.display()
        );
        std::thread::yield_now();
    }
}

/// Whether a process is there and has not ended.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The living processes that were started with `MARK=<mark>`.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let mark = format!("MARK={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == mark.as_bytes())
            && lives(pid)
        {
            found.push(pid);
        }
    }
    found
}

pub(crate) async fn read(content: &dyn Content) -> String {
    let mut reader: ContentReader = content.open().await.unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    text
}

/// The entries below a folder, by path.
pub(crate) async fn walk(results: &dyn ResultSet, path: &str) -> BTreeMap<String, FolderEntry> {
    let mut walk = results.extract_folder(path).await.unwrap();
    let mut entries = BTreeMap::new();
    while let Some(entry) = walk.next().await.unwrap() {
        entries.insert(entry.path.clone(), entry);
    }
    entries
}
