//! The driver with an engine that does what real ones do once in a thousand runs. Everything else is tested through the
//! binary.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Json, Router, http::StatusCode};
use chrono::{TimeDelta, Utc};
use engine_api::{
    DisposeError, Engine, EngineError, EngineErrorKind, KillError, RunContext, RunKey, Sandbox,
    SandboxBuilder, SandboxEnd, SetVariableError,
};
use plugin_host::{
    CompilerCommand, FaultPolicy, HostConfig, HostOptions, Limits, NoProgress, PluginHost, TrustConfig,
    ports::{AnySchemas, RunPorts, WorkerInfo},
};
use queue::{ClientOptions, CredentialsHandle, Deployment, wire};
use serde_json::{Value, json};
use services::{TaskLog, TemporaryStorage};
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use super::{Capacity, RunOutcome, RunParts, RunPayload, Trouble, run};
use crate::{
    config::StorageType,
    counts::Count,
    launch::task_info,
    observe::{NoObserver, RunObserver},
    ports::{ArtifactStorage, QueueArtifacts, RunLog, UploadSlots},
    stop::{Reason, StopHandle},
    task::lease::{Lease, LeaseSignal, Renewal},
};

/// When `start` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starts {
    /// At once.
    AtOnce,
    /// When it has stopped the worker and was told to hurry: too late to turn back.
    InSpiteOfTheAbort,
}

/// An engine whose sandbox can't be ended.
#[derive(Clone, Debug)]
struct Stubborn {
    starts: Starts,
    stop: StopHandle,
    /// How often the sandbox was waited for with a token that had fired.
    aborted: Arc<AtomicUsize>,
    /// Told that the run is canceled while the sandbox is being aborted.
    lease: LeaseSignal,
    canceled: Arc<wire::TaskStatus>,
}

#[async_trait]
impl Engine for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn payload_schema(&self) -> Value {
        json!({ "type": "object" })
    }

    async fn new_builder(
        &self,
        _run: RunContext,
        _payload: Value,
        _cancel: &CancellationToken,
    ) -> Result<Box<dyn SandboxBuilder>, EngineError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SandboxBuilder for Stubborn {
    fn set_variable(&self, _name: &str, _value: &str) -> Result<(), SetVariableError> {
        Ok(())
    }

    async fn start(self: Box<Self>, cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError> {
        if self.starts == Starts::InSpiteOfTheAbort {
            self.stop.now(Reason::Interrupted, "a test");
            cancel.cancelled().await;
        }
        Ok(Arc::new(*self))
    }

    async fn discard(self: Box<Self>) -> Result<(), DisposeError> {
        Ok(())
    }
}

#[async_trait]
impl Sandbox for Stubborn {
    async fn wait(&self, cancel: &CancellationToken) -> Result<SandboxEnd, EngineError> {
        if cancel.is_cancelled() {
            self.aborted.fetch_add(1, Ordering::SeqCst);
        }
        self.lease.seen(&self.canceled);
        // The runtime has one thread: the run hears of it now.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let left = DisposeError::Processes("a process in the kernel".to_owned());
        Err(EngineError::new(EngineErrorKind::Internal, "the sandbox could not be released").caused_by(left))
    }

    fn kill(&self) -> Result<(), KillError> {
        Ok(())
    }
}

/// Panics where the run begins to run.
#[derive(Debug)]
struct PanicsAtRunning;

impl RunObserver for PanicsAtRunning {
    fn stage(&self, _key: &RunKey, stage: &'static str) {
        assert_ne!(stage, "running", "as the test wants it");
    }

    fn resolved(&self, _key: &RunKey, _resolution: &str) {}
}

/// What is left of a run.
struct Left {
    /// How often its sandbox was aborted.
    aborted: usize,
    outcome: RunOutcome,
    log: String,
}

/// The status of a task whose run was canceled.
fn canceled(claim: &wire::TaskClaim) -> wire::TaskStatus {
    let run = json!({
        "runId": claim.run_id, "state": "exception", "reasonCreated": "scheduled", "reasonResolved": "canceled",
        "scheduled": wire::timestamp::format(&Utc::now()),
    });
    let mut status = claim.status.clone();
    status.runs = vec![serde_json::from_value(run).unwrap()];
    status
}

/// What a log that is closed holds.
async fn text(log: &TaskLog) -> String {
    let mut text = String::new();
    let mut reader = log.content().unwrap().open().await.unwrap();
    reader.read_to_string(&mut text).await.unwrap();
    text
}

/// The claim of a run, for an hour.
pub(crate) fn claim(key: &RunKey) -> wire::TaskClaim {
    let now = Utc::now();
    let time = |hours| wire::timestamp::format(&(now + TimeDelta::hours(hours)));
    let task = json!({
        "provisionerId": "p", "workerType": "w", "taskQueueId": "p/w", "schedulerId": "-", "projectId": "none",
        "taskGroupId": key.task_id, "dependencies": [], "requires": "all-completed", "routes": [],
        "priority": "lowest", "retries": 0, "created": time(0), "deadline": time(2), "expires": time(3),
        "scopes": [], "payload": {}, "tags": {}, "extra": {},
        "metadata": { "name": "", "description": "", "owner": "", "source": "" },
    });
    let mut status = task.clone();
    for (name, value) in [
        ("taskId", json!(key.task_id)),
        ("retriesLeft", json!(0)),
        ("state", json!("running")),
        ("runs", json!([])),
    ] {
        status[name] = value;
    }
    serde_json::from_value(json!({
        "status": status, "runId": key.run_id, "workerGroup": "g", "workerId": "i", "takenUntil": time(1),
        "task": task, "credentials": { "clientId": "c", "accessToken": "t" },
    }))
    .unwrap()
}

fn host_options(folder: &std::path::Path, worker: &WorkerInfo, stop: &StopHandle) -> HostOptions {
    let plugins = folder.join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    HostOptions {
        config: HostConfig {
            directory: plugins,
            cache_directory: folder.join("cache"),
            abort_grace: Duration::from_secs(2),
            faults: FaultPolicy {
                file: folder.join("plugin-faults.json"),
                limit: 3,
                window: Duration::from_hours(1),
            },
            default_limits: Limits::default(),
            trust: TrustConfig::default(),
            plugins: BTreeMap::new(),
        },
        worker: worker.clone(),
        lifecycle: Arc::new(stop.clone()),
        host_runtime: tokio::runtime::Handle::current(),
        compiler: CompilerCommand {
            program: "/bin/false".into(),
            args: Vec::new(),
        },
        progress: Arc::new(NoProgress),
        schemas: Arc::new(AnySchemas),
    }
}

/// A queue where every run was resolved by somebody else.
pub(crate) async fn refusing_queue() -> (Deployment, tokio::task::JoinHandle<()>) {
    queue_that_answers(StatusCode::CONFLICT, "RequestConflict").await
}

/// A queue that answers every call with an error.
pub(crate) async fn queue_that_answers(
    status: StatusCode,
    code: &str,
) -> (Deployment, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root_url = format!("http://{}", listener.local_addr().unwrap());
    let error = json!({"code": code, "message": "as the test asks", "requestInfo": {}});
    let refuse = Router::new().fallback(move || async move { (status, Json(error)) });
    let server = tokio::spawn(async move { axum::serve(listener, refuse).await.unwrap() });
    let credentials = CredentialsHandle::new(wire::Credentials {
        client_id: "c".to_owned(),
        access_token: "t".to_owned(),
        certificate: None,
    });
    // Only the first of the process counts.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = queue::http_client().unwrap();
    let deployment = Deployment::new(http, &root_url, credentials, ClientOptions::default()).unwrap();
    (deployment, server)
}

fn artifact_storage(deployment: &Deployment, scratch: &std::path::Path) -> ArtifactStorage {
    ArtifactStorage {
        storage_type: StorageType::S3,
        objects: deployment.objects(),
        http: queue::http_client().unwrap(),
        scratch: scratch.to_owned(),
        slots: UploadSlots::new(1, 1),
        stall: Duration::from_secs(60),
    }
}

/// A run from its claim to its end.
async fn live(starts: Starts, observer: Arc<dyn RunObserver>) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let stop = StopHandle::new();
    let worker = WorkerInfo {
        root_url: "http://q".to_owned(),
        task_queue_id: "p/w".to_owned(),
        worker_group: "g".to_owned(),
        worker_id: "i".to_owned(),
        engine: "stubborn".to_owned(),
        metadata: Vec::new(),
    };
    let plugins = PluginHost::open(host_options(folder.path(), &worker, &stop))
        .await
        .unwrap();
    let (deployment, server) = refusing_queue().await;
    let key = RunKey {
        task_id: slugid::nice(),
        run_id: 0,
    };
    let claim = claim(&key);
    let lease = Arc::new(Lease::begin(
        &claim,
        &deployment.queue(),
        Renewal {
            within: tokio::sync::watch::channel(Duration::MAX).1,
            failures: Count::default(),
        },
    ));
    let storage = TemporaryStorage::open(&folder.path().join("temporary")).unwrap();
    let log = Arc::new(TaskLog::new(storage.run_file(&key, "log").unwrap(), 1 << 20));
    let abort_hooks = CancellationToken::new();
    let run_log = Arc::new(RunLog::new(log.clone(), None));
    let artifacts = QueueArtifacts::new(
        &lease,
        claim.task.expires,
        Arc::new(artifact_storage(&deployment, folder.path())),
        run_log.clone(),
        abort_hooks.clone(),
    );
    let ports = RunPorts {
        task: task_info(&claim),
        definition: Arc::default(),
        log: run_log,
        artifacts: Arc::new(artifacts),
        abort: abort_hooks.clone(),
    };
    let aborted = Arc::new(AtomicUsize::new(0));
    let engine = Stubborn {
        starts,
        stop: stop.clone(),
        aborted: aborted.clone(),
        lease: lease.signal(),
        canceled: Arc::new(canceled(&claim)),
    };
    let outcome = run(RunParts {
        key,
        lease,
        engine: Arc::new(engine),
        plugins: plugins.current().await.new_run(ports),
        abort_hooks,
        log: log.clone(),
        payload: RunPayload {
            engine: Ok(json!({})),
            plugins: BTreeMap::new(),
        },
        warning: None,
        worker: Arc::new(worker),
        observer,
        stop,
    })
    .await;
    plugins.shutdown().await;
    server.abort();
    Left {
        aborted: aborted.load(Ordering::SeqCst),
        outcome,
        log: text(&log).await,
    }
}

const LEFT_BEHIND: &str =
    "the sandbox could not be released: processes could not be ended: a process in the kernel";

#[tokio::test]
async fn a_sandbox_that_starts_in_spite_of_the_abort_is_aborted_and_keeps_its_place_where_it_can_not_be_ended()
 {
    let left = live(Starts::InSpiteOfTheAbort, Arc::new(NoObserver)).await;
    assert_eq!(left.aborted, 1, "waited for, which aborts it");
    assert_eq!(left.outcome.capacity, Capacity::Occupied);
    assert_eq!(left.outcome.troubles, [Trouble::NonFatal(LEFT_BEHIND.to_owned())]);
    let lines: Vec<&str> = left.log.lines().filter(|line| line.contains("aborted")).collect();
    assert_eq!(
        lines,
        ["[taskcluster:error] task aborted - the worker is shutting down"]
    );
}

#[tokio::test]
async fn a_sandbox_that_has_just_started_when_the_run_panics_is_aborted() {
    let left = live(Starts::AtOnce, Arc::new(PanicsAtRunning)).await;
    assert_eq!(left.aborted, 1, "waited for, which aborts it");
    assert_eq!(left.outcome.capacity, Capacity::Occupied);
    let [Trouble::NonFatal(panic), Trouble::NonFatal(behind)] = &left.outcome.troubles[..] else {
        panic!("{:?}", left.outcome.troubles)
    };
    assert!(panic.contains("as the test wants it"), "{panic}");
    assert!(left.log.contains("internal error of the worker"), "{}", left.log);
    assert_eq!(behind, LEFT_BEHIND);
}
