//! A plugin that serves the worker, as those who have something to tell it see it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    NotStarted, Peers,
    hook::Hook,
    service::{Seat, Service},
};
use crate::{
    answer::WorkerStatus,
    instance::{Instance, Interruption},
    run::RunSettings,
    set::Loaded,
};

/// How many hooks may wait for a plugin that is slow. What comes then it does not hear.
const MAILBOX: usize = 64;
/// How long a claim waits for a plugin to hear that the worker is idle. It may take longer, up to its limits, but the worker
/// works meanwhile.
const IDLE_PATIENCE: Duration = Duration::from_secs(5);

/// A version of a plugin: in service, about to be, or out of it. While it is about to be, and where it could not be started,
/// the version goes on that served before.
#[derive(Debug)]
pub(super) struct Member {
    loaded: Arc<Loaded>,
    mailbox: mpsc::Sender<Letter>,
    standing: Arc<Standing>,
    /// Fires when it is to serve no longer: hooks then have the grace of an aborted run.
    let_go: CancellationToken,
    /// None once somebody waits for its end.
    serving: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// How a version fares, as its service says.
#[derive(Debug, Default)]
pub(super) struct Standing {
    started: AtomicBool,
    /// Why it is not in service any more, or never was.
    failed: OnceLock<String>,
    /// The version that serves until this one does. It has no predecessor.
    predecessor: Mutex<Option<Arc<Member>>>,
}

/// A hook to be called, and who waits until it was.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) hook: Hook,
    pub(super) heard: oneshot::Sender<()>,
}

/// Ends once a plugin was started, or it is known that it won't be.
pub(super) type Starting = oneshot::Receiver<()>;

impl Member {
    /// Begins to start a plugin. None for one that takes no part in the worker's life.
    pub(super) fn begin(
        loaded: &Arc<Loaded>,
        predecessor: Option<Arc<Self>>,
        settings: &RunSettings,
        ending: &CancellationToken,
        peers: &Peers,
    ) -> Option<(Arc<Self>, Starting)> {
        let let_go = ending.child_token();
        let seat = Seat {
            loaded: loaded.clone(),
            indices: loaded.prepared.worker_hooks()?.clone(),
            instance: Instance::new(loaded, settings),
            worker: settings.worker.clone(),
            lifecycle: settings.lifecycle.clone(),
            interruption: Interruption {
                cancel: let_go.clone(),
                grace: settings.abort_grace,
            },
        };
        let standing = Arc::new(Standing {
            predecessor: Mutex::new(predecessor),
            ..Standing::default()
        });
        let (mailbox, letters) = mpsc::channel(MAILBOX);
        let (told, starting) = oneshot::channel();
        let service = Service::new(seat, letters, standing.clone(), peers.clone());
        let serving = AbortOnDropHandle::new(settings.host.spawn(service.run(told)));
        let member = Self {
            loaded: loaded.clone(),
            mailbox,
            standing,
            let_go,
            serving: Mutex::new(Some(serving)),
        };
        Some((Arc::new(member), starting))
    }

    pub(super) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// Why this version could not be started, or was given up.
    pub(super) fn failed(&self) -> Option<NotStarted> {
        self.standing.failed.get().map(|why| NotStarted {
            plugin: self.loaded.name.clone(),
            why: why.clone(),
        })
    }

    /// The same where no former version serves either.
    pub(super) fn absent(&self) -> Option<NotStarted> {
        let failed = self.failed()?;
        let is_served = self
            .standing
            .predecessor()
            .as_ref()
            .is_some_and(|former| former.failed().is_none());
        (!is_served).then_some(failed)
    }

    /// The version that serves now, to go on while a newer one is started. One that does not serve gives its predecessor away.
    pub(super) fn in_service(self: &Arc<Self>) -> Option<Arc<Self>> {
        if self.standing.started.load(Ordering::Acquire) {
            return self.failed().is_none().then(|| self.clone());
        }
        self.standing.predecessor().take()
    }

    /// Has a hook called, after those before it, unless this is the plugin that is left out.
    pub(super) fn post(&self, hook: &Hook, left_out: Option<&Arc<Loaded>>) {
        let predecessor = self.standing.predecessor().clone();
        for member in [Some(self), predecessor.as_deref()].into_iter().flatten() {
            if !left_out.is_some_and(|left_out| Arc::ptr_eq(left_out, &member.loaded)) {
                drop(member.deliver(hook.clone()));
            }
        }
    }

    /// Tells it that the worker is idle, and waits for it for a while: it may stop the worker.
    pub(super) async fn report_idle(&self, status: WorkerStatus) {
        let hook = Hook::Idle(status);
        let predecessor = self.standing.predecessor().clone();
        let hears = self.deliver(hook.clone());
        let former_hears = predecessor.map(|former| former.deliver(hook));
        let all_hear = async {
            // An error means that it will not hear it, which is as good.
            drop(hears.await);
            if let Some(hears) = former_hears {
                drop(hears.await);
            }
        };
        if tokio::time::timeout(IDLE_PATIENCE, all_hear).await.is_err() {
            tracing::warn!(
                plugin = &*self.loaded.name,
                "a worker plugin takes long in report-idle, the worker claims meanwhile"
            );
        }
    }

    /// Ends the service of this version, and of the one that goes on for it. What waits for them is called within the grace of
    /// an aborted run.
    pub(super) async fn discard(&self) {
        let predecessor = self.standing.predecessor().take();
        self.let_go.cancel();
        if let Some(former) = predecessor {
            former.retire().await;
        }
        self.retire().await;
    }

    /// Ends the service of this version alone.
    pub(super) async fn retire(&self) {
        self.let_go.cancel();
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving
            && let Err(error) = serving.await
        {
            tracing::error!(plugin = &*self.loaded.name, %error, "the service of a worker plugin broke");
        }
    }

    /// Puts a hook into the mailbox. What is answered ends once it was called, or once it is known that it won't be.
    fn deliver(&self, hook: Hook) -> oneshot::Receiver<()> {
        let (heard, hears) = oneshot::channel();
        match self.mailbox.try_send(Letter { hook, heard }) {
            // There is nobody there any more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(letter)) => {
                tracing::warn!(
                    plugin = &*self.loaded.name,
                    hook = letter.hook.name(),
                    "a worker plugin is so slow that it is not told"
                );
            }
        }
        hears
    }
}

impl Standing {
    /// It serves. Answers the version that served until now.
    pub(super) fn serves(&self) -> Option<Arc<Member>> {
        self.started.store(true, Ordering::Release);
        self.predecessor().take()
    }

    /// It serves no more, or does not begin to.
    pub(super) fn fails(&self, why: String) {
        // The first reason stays: there is no second.
        let _ = self.failed.set(why);
    }

    pub(super) fn predecessor(&self) -> MutexGuard<'_, Option<Arc<Member>>> {
        self.predecessor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
