//! From a claim to a run: takes up the newest plugins, opens the log, and puts the parts of a run together.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use engine_api::{Engine, RunKey};
use futures_util::FutureExt as _;
use plugin_host::{
    Lacking, PluginHost, PluginSet,
    ports::{RunPorts, TaskInfo, WorkerInfo},
};
use queue::{Deployment, wire};
use services::{LiveLogServer, StorageError, TaskLog, TemporaryStorage};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    counts::Count,
    observe::RunObserver,
    payload::{MergeError, PayloadParts, PayloadSchema},
    ports::{ArtifactStorage, QueueArtifacts, RunLog},
    status_poll::Watched,
    stop::{Reason, StopHandle},
    task::{
        journal::Trouble,
        lease::{Lease, Renewal},
        resolution::{AbortReason, Exception, Resolution},
        run::{Capacity, RunOutcome, RunParts, RunPayload, Unfit, panic_message, run},
    },
};

mod scopes;
mod unreadable;

use scopes::{NotExpanded, Scopes};

/// Everything that runs have in common. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Launcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: LauncherParts,
    current: Mutex<Current>,
}

/// What runs get that begin now.
#[derive(Clone, Debug)]
struct Current {
    plugins: Arc<PluginSet>,
    /// What the engine and these plugins read of a payload.
    schema: Arc<PayloadSchema>,
}

/// What a launcher is made of.
#[derive(Debug)]
pub(crate) struct LauncherParts {
    /// With the worker's own credentials.
    pub(crate) deployment: Deployment,
    /// Where artifacts go.
    pub(crate) artifacts: Arc<ArtifactStorage>,
    /// Makes the sandboxes.
    pub(crate) engine: Arc<dyn Engine>,
    /// Loads the plugins.
    pub(crate) plugins: Arc<PluginHost>,
    /// Has the files of the runs' logs.
    pub(crate) storage: TemporaryStorage,
    /// Serves logs while they are written; none where the config turns it off.
    pub(crate) live_log: Option<Arc<LiveLogServer>>,
    /// The most that a log may hold, in bytes.
    pub(crate) max_log_bytes: u64,
    /// What plugins are told of the worker.
    pub(crate) worker: Arc<WorkerInfo>,
    /// Asks for the state of the runs.
    pub(crate) watched: Watched,
    /// Counts the times that claims could not be renewed.
    pub(crate) failed_reclaims: Count,
    /// Hears of every stage of every run.
    pub(crate) observer: Arc<dyn RunObserver>,
    /// The worker's own life.
    pub(crate) stop: StopHandle,
}

impl Launcher {
    /// Merges the payload schemas of the engine and of the plugins that are loaded now.
    ///
    /// # Errors
    /// When two of them own one property with different schemas.
    pub(crate) async fn new(parts: LauncherParts) -> Result<Self, MergeError> {
        let plugins = parts.plugins.current().await;
        let schema = Arc::new(merge(&*parts.engine, &plugins)?);
        let current = Mutex::new(Current { plugins, schema });
        Ok(Self(Arc::new(Shared { parts, current })))
    }

    /// Says that everything is there, and the first claim comes next.
    pub(crate) fn ready(&self) {
        self.0.parts.observer.ready();
    }

    /// Runs a claimed task to its end. The lease begins before anything else, when this is called. A claim that arrives while
    /// the worker stops is not begun in earnest: its run is aborted at once, and the queue gives it to another worker.
    pub(crate) fn launch(&self, claim: wire::TaskClaim) -> impl Future<Output = RunOutcome> + Send + 'static {
        let watched = &self.0.parts.watched;
        let queue = self.0.parts.deployment.queue();
        let renewal = Renewal {
            within: watched.renew_within(),
            failures: self.0.parts.failed_reclaims.clone(),
        };
        let lease = Arc::new(Lease::begin(&claim, &queue, renewal));
        watched.add(&lease);
        let shared = self.0.clone();
        let key = RunKey {
            task_id: claim.status.task_id.clone(),
            run_id: claim.run_id,
        };
        let span = tracing::debug_span!("run", task_id = key.task_id, run_id = key.run_id);
        let whole = async move {
            shared.parts.observer.claimed(&key, claim.task.created);
            match AssertUnwindSafe(shared.prepare(&key, claim, &lease))
                .catch_unwind()
                .await
            {
                Ok(Ok(parts)) => {
                    drop(lease);
                    run(parts).await
                }
                Ok(Err(error)) => {
                    tracing::error!(run = %key, error = &error as &dyn Error, "the run has no log, and ends before it began");
                    // The worker's disk is full or gone. It would be the same for the next task: another worker is to have
                    // this one and all others.
                    shared
                        .parts
                        .stop
                        .graceful(Reason::Internal, "the log of a task can't be made");
                    not_begun(
                        &key,
                        lease,
                        AbortReason::WorkerShutdown.into(),
                        &error.to_string(),
                    )
                    .await
                }
                Err(panic) => {
                    let message = panic_message(&*panic);
                    tracing::error!(run = %key, error = message, "a panic while a run was being prepared");
                    not_begun(
                        &key,
                        lease,
                        Exception::InternalError,
                        &format!("panic before the run: {message}"),
                    )
                    .await
                }
            }
        };
        whole.instrument(span)
    }
}

impl Shared {
    /// The newest plugins, with what they and the engine read of a payload. The plugin host has seen that this goes together.
    fn take_up(&self, newest: Arc<PluginSet>) -> Current {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&newest, &current.plugins) {
            return current.clone();
        }
        match merge(&*self.parts.engine, &newest) {
            Ok(schema) => {
                *current = Current {
                    plugins: newest,
                    schema: Arc::new(schema),
                };
            }
            Err(error) => tracing::error!(
                error = &error as &dyn Error,
                "the changed plugins do not go together, keeping the former ones"
            ),
        }
        current.clone()
    }

    /// Makes everything that a run needs.
    async fn prepare(
        self: &Arc<Self>,
        key: &RunKey,
        claim: wire::TaskClaim,
        lease: &Arc<Lease>,
    ) -> Result<RunParts, OpenLogError> {
        let stop = if self.parts.stop.stopping() {
            StopHandle::stopped()
        } else {
            self.parts.stop.clone()
        };
        let log = self.open_log(key).await?;
        let scopes = self.expand_scopes(&claim, lease, &stop).await;
        let newest = self.parts.plugins.current().await;
        // What broke while the queue held the claim: the worker claims no more, and this is given back.
        let lacking = self.parts.plugins.lacking(&newest);
        let (shared, payload) = (self.clone(), claim.task.payload.clone());
        // Payload and schemas are other people's, and may take a while.
        let taken_up = tokio::task::spawn_blocking(move || {
            let current = shared.take_up(newest);
            let read = current.schema.read(&payload);
            (current, read)
        });
        let (current, read) = match taken_up.await.map_err(JoinError::try_into_panic) {
            Ok(taken_up) => taken_up,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(lost)) => return Err(lost.into()),
        };
        let begun = Begun {
            current,
            read,
            lacking,
            log,
            scopes,
            stop,
        };
        Ok(self.assemble(begun, claim, lease))
    }

    /// What the scopes of a claimed task amount to. They do not matter any more where the run ends meanwhile.
    async fn expand_scopes(
        &self,
        claim: &wire::TaskClaim,
        lease: &Lease,
        stop: &StopHandle,
    ) -> Result<Scopes, NotExpanded> {
        let auth = self.parts.deployment.auth();
        tokio::select! {
            biased;
            () = stop.now_requested() => {}
            _ = lease.lost() => {}
            expanded = scopes::expand(&auth, &claim.task.scopes) => return expanded,
        }
        Ok(Scopes::plain(&claim.task.scopes))
    }

    /// A new log, in a file of its own.
    async fn open_log(&self, key: &RunKey) -> Result<Arc<TaskLog>, OpenLogError> {
        let (storage, key) = (self.parts.storage.clone(), key.clone());
        let file = tokio::task::spawn_blocking(move || storage.run_file(&key, "log")).await??;
        Ok(Arc::new(TaskLog::new(file, self.parts.max_log_bytes)))
    }

    fn assemble(&self, begun: Begun, claim: wire::TaskClaim, lease: &Arc<Lease>) -> RunParts {
        let parts = &self.parts;
        let Begun {
            current,
            read,
            lacking,
            log,
            scopes,
            stop,
        } = begun;
        let live = parts
            .live_log
            .as_ref()
            .map(|server| server.register(log.reader()));
        let abort_hooks = CancellationToken::new();
        let run_log = Arc::new(RunLog::new(log.clone(), live));
        let artifacts = QueueArtifacts::new(
            lease,
            claim.task.expires,
            parts.artifacts.clone(),
            run_log.clone(),
            abort_hooks.clone(),
        );
        let mut task = task_info(&claim);
        let (warning, unfit) = match scopes {
            _ if !lacking.is_empty() => (None, Some(not_here(&lacking))),
            Ok(Scopes { scopes, warning }) => {
                task.scopes = scopes;
                (warning, None)
            }
            Err(error) => (None, Some(Unfit::unavailable(error.to_string()))),
        };
        let plugins = current.plugins.new_run(RunPorts {
            task,
            definition: Arc::new(serde_json::to_value(&claim.task).unwrap_or_default()),
            log: run_log,
            artifacts: Arc::new(artifacts),
            abort: abort_hooks.clone(),
        });
        RunParts {
            key: lease.key().clone(),
            lease: lease.clone(),
            engine: parts.engine.clone(),
            plugins,
            abort_hooks,
            log,
            payload: RunPayload {
                engine: match unfit {
                    Some(unfit) => Err(unfit),
                    None => read.engine_part().map_err(Unfit::malformed),
                },
                plugins: read.plugins,
            },
            warning,
            worker: parts.worker.clone(),
            observer: parts.observer.clone(),
            stop,
        }
    }
}

/// What a run has beside its claim when it begins.
struct Begun {
    current: Current,
    /// Its payload, by what they read of it.
    read: PayloadParts,
    /// What is required and not in service.
    lacking: Vec<Lacking>,
    log: Arc<TaskLog>,
    scopes: Result<Scopes, NotExpanded>,
    stop: StopHandle,
}

/// Why a run has no log.
#[derive(Debug, thiserror::Error)]
enum OpenLogError {
    #[error("the log of the task can't be made")]
    Storage(#[from] StorageError),
    #[error("the thread that makes the log was lost")]
    Thread(#[from] JoinError),
}

/// The end of a run that could not even begin, which is no fault of the task's.
async fn not_begun(key: &RunKey, lease: Arc<Lease>, exception: Exception, why: &str) -> RunOutcome {
    let resolution = Resolution::Exception(exception);
    let reported = lease.report(resolution).await;
    match Arc::into_inner(lease) {
        Some(lease) => lease.end().await,
        None => tracing::error!(run = %key, "the lease of the run is still in use"),
    }
    let mut troubles = vec![Trouble::NonFatal(format!("{key}: {why}"))];
    if let Err(error) = reported {
        troubles.push(Trouble::NonFatal(format!("{key}: {error}")));
    }
    RunOutcome {
        resolution,
        troubles,
        capacity: Capacity::Free,
    }
}

fn merge(engine: &dyn Engine, plugins: &PluginSet) -> Result<PayloadSchema, MergeError> {
    PayloadSchema::merge(engine.name(), engine.payload_schema(), plugins.schemas())
}

/// Why a task is given back for which plugins are missing.
fn not_here(lacking: &[Lacking]) -> Unfit {
    let line = |Lacking { plugin, why }: &Lacking| {
        format!("task not run - plugin {plugin}, which this worker requires, is not in service: {why}")
    };
    Unfit::not_here(lacking.iter().map(line).collect())
}

/// What plugins are told of a claimed run.
pub(crate) fn task_info(claim: &wire::TaskClaim) -> TaskInfo {
    TaskInfo {
        task_id: claim.status.task_id.clone(),
        run_id: claim.run_id,
        task_group_id: claim.task.task_group_id.clone(),
        created: claim.task.created,
        deadline: claim.task.deadline,
        expires: claim.task.expires,
        scopes: claim.task.scopes.clone(),
    }
}
