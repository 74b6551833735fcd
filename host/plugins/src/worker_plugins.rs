//! The plugins that take part in the worker's life: one instance each for as long as its version is in service.
//!
//! A hook that breaks takes its instance with it, and the worker goes on without: none of these hooks decides about a task.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    answer::WorkerStatus,
    bindings::v0_1::exports::taskcluster::plugin::worker_hooks::{self, Guest, GuestIndices},
    hooks,
    instance::{AsyncHook, Broken, Instance, Interruption},
    prepared::Live,
    run::RunSettings,
    set::Loaded,
};

/// The instances that serve the worker.
#[derive(Debug)]
pub(crate) struct WorkerPlugins {
    settings: RunSettings,
    members: Mutex<Vec<Arc<Member>>>,
    /// Fires at the end of the worker: hooks then have the grace of an aborted run.
    ending: CancellationToken,
}

/// One plugin.
struct Member {
    loaded: Arc<Loaded>,
    indices: Arc<GuestIndices>,
    instance: Instance,
    /// Held during a hook: hooks of one instance never overlap.
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}

/// A plugin that could not be started.
#[derive(Clone, Debug)]
pub(crate) struct NotStarted {
    pub(crate) plugin: Arc<str>,
    pub(crate) why: String,
}

/// One hook of `worker-hooks`.
#[derive(Clone, Debug)]
enum Hook {
    Started {
        worker: worker_hooks::WorkerInfo,
        config: String,
    },
    Idle(WorkerStatus),
    Progress(WorkerStatus),
    NonFatalError(String),
}

/// A hook, and where it is in the component.
struct Call {
    hook: Hook,
    indices: Arc<GuestIndices>,
}

impl AsyncHook<Result<(), String>> for Call {
    fn name(&self) -> &'static str {
        match self.hook {
            Hook::Started { .. } => "worker-started",
            Hook::Idle(_) => "report-idle",
            Hook::Progress(_) => "report-progress",
            Hook::NonFatalError(_) => "report-non-fatal-error",
        }
    }

    async fn call(self, live: &mut Live) -> wasmtime::Result<Result<(), String>> {
        let guest: Guest = self.indices.load(&mut live.store, &live.instance)?;
        let store = &mut live.store;
        // The instance serves for as long as the worker does, and must not fall silent after a few days.
        store.data_mut().renew_log_budgets();
        match self.hook {
            Hook::Started { worker, config } => {
                return guest.call_worker_started(store, &worker, &config).await;
            }
            Hook::Idle(status) => guest.call_report_idle(store, of_contract(&status)).await?,
            Hook::Progress(status) => guest.call_report_progress(store, of_contract(&status)).await?,
            Hook::NonFatalError(message) => guest.call_report_non_fatal_error(store, &message).await?,
        }
        Ok(Ok(()))
    }
}

impl WorkerPlugins {
    pub(crate) fn new(settings: RunSettings) -> Self {
        Self {
            settings,
            members: Mutex::new(Vec::new()),
            ending: CancellationToken::new(),
        }
    }

    /// Starts the worker plugins among `plugins` that are new, drops the instances of those that are not among them any
    /// more, and leaves the rest alone. One that can't be started has no instance, and is answered.
    pub(crate) async fn update(&self, plugins: &[Arc<Loaded>]) -> Vec<NotStarted> {
        let current = self.members();
        let (kept, dropped): (Vec<_>, Vec<_>) = current
            .into_iter()
            .partition(|member| plugins.iter().any(|loaded| Arc::ptr_eq(loaded, &member.loaded)));
        let is_new = |loaded: &&Arc<Loaded>| !kept.iter().any(|member| Arc::ptr_eq(&member.loaded, loaded));
        let fresh: Vec<Arc<Member>> = plugins
            .iter()
            .filter(is_new)
            .filter_map(|loaded| self.member(loaded))
            .collect();
        let started = join_all(fresh.iter().map(|member| self.start(member))).await;
        for member in dropped {
            member.instance.discard().await;
        }
        let (mut members, mut failed) = (kept, Vec::new());
        for (member, started) in fresh.into_iter().zip(started) {
            match started {
                Ok(()) => members.push(member),
                Err(why) => {
                    tracing::error!(
                        plugin = &*member.loaded.name,
                        why,
                        "a plugin could not be started"
                    );
                    member.instance.discard().await;
                    failed.push(NotStarted {
                        plugin: member.loaded.name.clone(),
                        why,
                    });
                }
            }
        }
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = members;
        failed
    }

    pub(crate) async fn report_idle(&self, status: WorkerStatus) {
        self.tell(&Hook::Idle(status)).await;
    }

    pub(crate) async fn report_progress(&self, status: WorkerStatus) {
        self.tell(&Hook::Progress(status)).await;
    }

    pub(crate) async fn report_non_fatal_error(&self, message: &str) {
        self.tell(&Hook::NonFatalError(message.to_owned())).await;
    }

    /// Drops the instances. A hook under way has the grace of an aborted run.
    pub(crate) async fn shutdown(&self) {
        self.ending.cancel();
        let members = std::mem::take(&mut *self.members.lock().unwrap_or_else(PoisonError::into_inner));
        for member in members {
            let _turn = member.turn.lock().await;
            member.instance.discard().await;
        }
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.members
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// None for a plugin that takes no part in the worker's life.
    fn member(&self, loaded: &Arc<Loaded>) -> Option<Arc<Member>> {
        let indices = loaded.prepared.worker_hooks()?.clone();
        let instance = Instance::new(
            loaded.prepared.clone(),
            loaded.name.clone(),
            self.settings.guests.clone(),
        );
        Some(Arc::new(Member {
            loaded: loaded.clone(),
            indices,
            instance,
            turn: tokio::sync::Mutex::new(()),
        }))
    }

    async fn start(&self, member: &Member) -> Result<(), String> {
        let lifecycle = Some(self.settings.lifecycle.clone());
        let created = member
            .instance
            .create("worker-started", None, lifecycle, self.interruption())
            .await;
        created.map_err(|broken| broken.to_string())?;
        let hook = Hook::Started {
            worker: hooks::worker_info(&self.settings.worker),
            config: member.loaded.config.to_string(),
        };
        self.call(member, hook)
            .await
            .map_err(|broken| broken.to_string())?
    }

    /// Calls a hook of every plugin, all in parallel.
    async fn tell(&self, hook: &Hook) {
        let members = self.members();
        let calls = members.iter().map(async |member| match self.call(member, hook.clone()).await {
            Ok(_) | Err(Broken::Gone) => {}
            Err(broken) => {
                tracing::error!(plugin = &*member.loaded.name, %broken, "a worker plugin broke, the worker goes on without it");
            }
        });
        join_all(calls).await;
    }

    async fn call(&self, member: &Member, hook: Hook) -> Result<Result<(), String>, Broken> {
        let _turn = member.turn.lock().await;
        member
            .instance
            .call(
                self.interruption(),
                Call {
                    hook,
                    indices: member.indices.clone(),
                },
            )
            .await
    }

    fn interruption(&self) -> Interruption {
        Interruption {
            cancel: self.ending.clone(),
            grace: self.settings.abort_grace,
        }
    }
}

fn of_contract(status: &WorkerStatus) -> worker_hooks::WorkerStatus {
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    worker_hooks::WorkerStatus {
        uptime_ms: ms(status.uptime),
        host_uptime_ms: ms(status.host_uptime),
        idle_ms: ms(status.idle),
        running: status.running,
        resolved: status.resolved,
    }
}
