//! What a run lends to its plugins, in memory, and a host of no more than the runtime half.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::{
    BytesContent, Content, DisposeError, EngineError, ExtractError, FolderEntry, FolderWalk, KillError,
    LogLevel, ResultSet, Sandbox, SandboxBuilder, SandboxEnd, SetVariableError,
};
use serde_json::json;
use tokio::{runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, component::Component};

use super::guest::Guest;
use crate::{
    capabilities::Capability,
    engine::{Ticker, running_engine},
    faults::{FaultPolicy, Faults, Ledger},
    grants::Grants,
    inspect,
    limits::Limits,
    ports::*,
    prepared::Prepared,
    run::{RunPlugins, RunSettings},
    set::Loaded,
    statistics::Accounts,
};

/// Lines and whether each was an error.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<String>>);

impl Log {
    /// The line after which the log is closed.
    pub(super) const CLOSED: &str = "closed";
    /// The same of a log that takes two seconds to be opened.
    pub(super) const SLOW: &str = "slow";

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl TaskLog for Log {
    fn line(&self, _level: LogLevel, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    /// What was written, once somebody has written that the log is closed.
    fn content(&self) -> Option<Arc<dyn Content>> {
        let lines = self.lines();
        if lines.iter().any(|line| line == Self::SLOW) {
            return Some(Arc::new(Slow));
        }
        let is_closed = lines.iter().any(|line| line == Self::CLOSED);
        is_closed.then(|| BytesContent::new(lines.join("\n")) as Arc<dyn Content>)
    }

    fn live_url(&self) -> Option<String> {
        Some("http://localhost/live".to_owned())
    }
}

/// A content that takes two seconds to be opened.
#[derive(Debug)]
struct Slow;

#[async_trait]
impl Content for Slow {
    fn size(&self) -> u64 {
        0
    }

    async fn open(&self) -> io::Result<engine_api::ContentReader> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(Box::new(io::Cursor::new(b"")))
    }
}

/// How uploads end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Works,
    IsDown,
    /// Everything takes a while.
    IsSlow,
    /// Nothing is ever ready.
    Hangs,
}

/// The artifacts of a run.
#[derive(Debug)]
pub(super) struct Artifacts {
    storage: Storage,
    /// What was created.
    pub(super) names: Mutex<Vec<String>>,
    /// An upload has begun.
    pub(super) begun: Notify,
    /// How many uploads have not been let go of.
    pub(super) under_way: Arc<AtomicU32>,
}

/// Counts an upload for as long as its future lives.
struct UnderWay(Arc<AtomicU32>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ArtifactStore for Artifacts {
    async fn upload(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(self.under_way.clone());
        self.begun.notify_one();
        match self.storage {
            Storage::Works | Storage::IsSlow => {
                // An upload that is not waited for would be missing.
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.names.lock().unwrap().push(upload.name);
                Ok(Uploaded {
                    size: upload.content.size(),
                    sha256: String::new(),
                })
            }
            Storage::IsDown => Err(ArtifactError::Unavailable("the storage is down".to_owned())),
            Storage::Hangs => std::future::pending().await,
        }
    }

    async fn reference(
        &self,
        name: &str,
        _url: &str,
        _content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        self.begun.notify_one();
        match self.storage {
            Storage::Works | Storage::IsDown => {}
            Storage::IsSlow => tokio::time::sleep(Duration::from_millis(300)).await,
            Storage::Hangs => std::future::pending().await,
        }
        self.names.lock().unwrap().push(name.to_owned());
        Ok(())
    }

    async fn link(
        &self,
        name: &str,
        target: &str,
        _content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        self.names.lock().unwrap().push(format!("{name} -> {target}"));
        Ok(())
    }

    async fn report_error(
        &self,
        name: &str,
        reason: &str,
        _message: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        self.names.lock().unwrap().push(format!("{name}: {reason}"));
        Ok(())
    }
}

/// A worker that keeps what it is told.
#[derive(Debug, Default)]
pub(super) struct Worker(pub(super) Mutex<Vec<String>>);

impl Lifecycle for Worker {
    fn stop_gracefully(&self, why: &str) {
        self.0.lock().unwrap().push(format!("gracefully: {why}"));
    }

    fn stop_now(&self, why: &str) {
        self.0.lock().unwrap().push(format!("now: {why}"));
    }

    fn stopping(&self) -> bool {
        !self.0.lock().unwrap().is_empty()
    }
}

/// A builder that keeps what it is told, and breaks when it is told PANIC.
#[derive(Clone, Debug, Default)]
pub(super) struct Builder(pub(super) Arc<Mutex<BTreeMap<String, String>>>);

#[async_trait]
impl SandboxBuilder for Builder {
    fn set_variable(&self, name: &str, value: &str) -> Result<(), SetVariableError> {
        assert_ne!(name, "PANIC", "told to");
        match self.0.lock().unwrap().insert(name.to_owned(), value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(SetVariableError::Conflict(name.to_owned())),
        }
    }

    async fn start(self: Box<Self>, _cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError> {
        Err(EngineError::cancelled())
    }

    async fn discard(self: Box<Self>) -> Result<(), DisposeError> {
        Ok(())
    }
}

/// A sandbox that counts how often it is killed.
#[derive(Debug, Default)]
pub(super) struct Running(pub(super) AtomicU32);

#[async_trait]
impl Sandbox for Running {
    async fn wait(&self, _cancel: &CancellationToken) -> Result<SandboxEnd, EngineError> {
        Err(EngineError::cancelled())
    }

    fn kill(&self) -> Result<(), KillError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A result set in which every path is a file of one byte that can't be opened, but for the file NAME, the folder NAME
/// with two entries (a file, and one that can't be had), and the folder PANIC, which can't be walked.
#[derive(Debug)]
pub(super) struct Results;

#[derive(Debug)]
struct Unreadable;

#[async_trait]
impl Content for Unreadable {
    fn size(&self) -> u64 {
        1
    }

    async fn open(&self) -> io::Result<engine_api::ContentReader> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[async_trait]
impl ResultSet for Results {
    fn success(&self) -> bool {
        true
    }

    fn exit_code(&self) -> Option<i32> {
        Some(0)
    }

    async fn extract_file(&self, path: &str) -> Result<Arc<dyn Content>, ExtractError> {
        match path {
            "NAME" => Ok(BytesContent::new("NAME")),
            _ => Ok(Arc::new(Unreadable)),
        }
    }

    async fn extract_folder(&self, path: &str) -> Result<Box<dyn FolderWalk>, ExtractError> {
        match path {
            "NAME" => Ok(Box::new(Walk(vec![
                Err(ExtractError::WrongKind("a pipe")),
                Ok(BytesContent::new("NAME")),
            ]))),
            "PANIC" => Ok(Box::new(Unwalkable)),
            _ => Err(ExtractError::Missing),
        }
    }

    async fn dispose(&self) -> Result<(), DisposeError> {
        Ok(())
    }
}

/// What is still to come, last first.
#[derive(Debug)]
struct Walk(Vec<Result<Arc<dyn Content>, ExtractError>>);

#[async_trait]
impl FolderWalk for Walk {
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError> {
        let entry = |content| FolderEntry {
            path: "a".to_owned(),
            content,
        };
        Ok(self.0.pop().map(entry))
    }
}

/// A walk that answers nothing but errors.
#[derive(Debug)]
struct Unwalkable;

#[async_trait]
impl FolderWalk for Unwalkable {
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError> {
        Err(ExtractError::NotReadable("it is broken".to_owned()))
    }
}

/// A run of some plugins.
pub(super) struct Bench {
    engine: Engine,
    ticker: Arc<Ticker>,
    plugins: Vec<Arc<Loaded>>,
    pub(super) grants: Grants,
    pub(super) limits: Limits,
    pub(super) storage: Storage,
    pub(super) abort: CancellationToken,
    pub(super) log: Arc<Log>,
    pub(super) worker: Arc<Worker>,
    pub(super) accounts: Accounts,
}

impl Bench {
    pub(super) fn new() -> Self {
        let engine = running_engine(&Limits::default()).unwrap();
        let ticker = Arc::new(Ticker::start(&engine).unwrap());
        let policy = FaultPolicy {
            file: "/nowhere".into(),
            limit: 3,
            window: Duration::from_hours(1),
        };
        Self {
            engine,
            ticker,
            plugins: Vec::new(),
            grants: Capability::ALL.into_iter().collect(),
            // Enough for what is well-behaved on a slow machine.
            limits: Limits {
                cpu_ms: 500,
                ..Limits::default()
            },
            storage: Storage::Works,
            abort: CancellationToken::new(),
            log: Arc::default(),
            worker: Arc::default(),
            accounts: Accounts::new(Faults::new(policy, Ledger::default())),
        }
    }

    pub(super) fn prepare(&self, wasm: &[u8]) -> Prepared {
        let component = Component::from_binary(&self.engine, wasm).unwrap();
        Prepared::new(
            &self.engine,
            &component,
            &inspect::surface(wasm).unwrap(),
            self.limits.clone(),
            self.ticker.clone(),
        )
        .unwrap()
        .with_grants(self.grants.clone())
    }

    /// Adds a plugin, with the grants and limits that the bench has now.
    pub(super) fn with(self, name: &str, guest: Guest) -> Self {
        self.add(name, guest, |_| {})
    }

    pub(super) fn add(self, name: &str, guest: Guest, change: impl FnOnce(&mut Loaded)) -> Self {
        self.add_wasm(name, &guest.wasm(), change)
    }

    pub(super) fn add_wasm(mut self, name: &str, wasm: &[u8], change: impl FnOnce(&mut Loaded)) -> Self {
        let mut loaded = Loaded {
            name: Arc::from(name),
            version: Arc::from("1.0.0"),
            prepared: self.prepare(wasm),
            config: json!({}),
            required: true,
            may_stop_the_worker: false,
            payload_schema: json!({}),
            file: format!("{name}.wasm"),
            sha256: String::new(),
        };
        change(&mut loaded);
        self.plugins.push(Arc::new(loaded));
        self
    }

    pub(super) fn run(&self) -> (RunPlugins, Arc<Artifacts>) {
        let artifacts = Arc::new(Artifacts {
            storage: self.storage,
            names: Mutex::default(),
            begun: Notify::new(),
            under_way: Arc::default(),
        });
        let now = Utc::now();
        let ports = RunPorts {
            task: TaskInfo {
                task_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
                run_id: 0,
                task_group_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
                created: now,
                deadline: now,
                expires: now,
                scopes: Vec::new(),
            },
            definition: Arc::new(json!({"payload": {"of": "another plugin"}})),
            log: self.log.clone(),
            artifacts: artifacts.clone(),
            abort: self.abort.clone(),
        };
        let settings = RunSettings {
            worker: Arc::new(WorkerInfo {
                root_url: "http://localhost".to_owned(),
                task_queue_id: "a/b".to_owned(),
                worker_group: "g".to_owned(),
                worker_id: "w".to_owned(),
                engine: "fake".to_owned(),
                metadata: Vec::new(),
            }),
            lifecycle: self.worker.clone(),
            guests: Handle::current(),
            host: Handle::current(),
            abort_grace: Duration::from_millis(100),
            accounts: self.accounts.clone(),
        };
        (RunPlugins::new(&self.plugins, ports, settings), artifacts)
    }

    /// A run whose plugins have all been told of it.
    pub(super) async fn begun(&self) -> (RunPlugins, Arc<Artifacts>) {
        let (run, artifacts) = self.run();
        let answer = run.new_task(BTreeMap::new()).await;
        assert_eq!(answer.failures, []);
        (run, artifacts)
    }
}
