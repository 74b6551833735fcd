//! One instance, serving one run or the worker: its hooks one after the other, each with a deadline.
//!
//! The instance is taken out of its slot for the time of a call and put back only when the call has ended well. So after
//! a trap, an exceeded limit, a time-out or a panic of the host there is nothing left to call.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Mutex, task::JoinError};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::{
    faults::FaultKind,
    limits::{LimitHit, Limits},
    ports::Lifecycle,
    prepared::{Live, Prepared},
    run::RunSettings,
    set::Loaded,
    state::{RunState, State, printable},
    statistics::{Account, Spent},
};

/// One instance of a plugin.
#[derive(Clone)]
pub(crate) struct Instance {
    prepared: Prepared,
    name: Arc<str>,
    slot: Arc<Mutex<Option<Live>>>,
    guests: Handle,
    account: Arc<Account>,
}

/// How a hook is to be interrupted.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    /// Fires when the hook is to return.
    pub(crate) cancel: CancellationToken,
    /// How long it may take from then on.
    pub(crate) grace: Duration,
}

/// Why an instance is gone. `hook` is the hook that was called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It exceeded a limit.
    #[error("{hook} exceeded the limit of {}, {allowed} ({path})", .hit.what())]
    Limit {
        hook: &'static str,
        hit: LimitHit,
        allowed: u64,
        /// Where the operator can raise it.
        path: String,
    },
    /// It trapped.
    #[error("{hook} trapped: {trap}")]
    Trap { hook: &'static str, trap: String },
    /// It did not return after an abort.
    #[error("{hook} did not return within {grace:?} of the abort")]
    Grace { hook: &'static str, grace: Duration },
    /// The host's own code failed on its behalf.
    #[error("the worker failed in {hook}: {why}")]
    Host { hook: &'static str, why: String },
    /// It broke before.
    #[error("its instance is gone")]
    Gone,
}

impl Broken {
    /// How the plugin is to blame; none where it is not.
    fn fault(&self) -> Option<FaultKind> {
        match self {
            Self::Trap { .. } => Some(FaultKind::Trap),
            Self::Limit {
                hit: LimitHit::Hook, ..
            } => Some(FaultKind::TimeOut),
            Self::Limit { .. } => Some(FaultKind::Limit),
            Self::Grace { .. } | Self::Host { .. } | Self::Gone => None,
        }
    }
}

/// A call of one export, given the instance. (A closure's future can't be both borrowing and `Send` by bounds alone.)
pub(crate) trait AsyncHook<T>: Send + 'static {
    /// What it calls, in the contract's words.
    fn name(&self) -> &'static str;

    /// Calls it.
    fn call(self, live: &mut Live) -> impl Future<Output = wasmtime::Result<T>> + Send;
}

impl Instance {
    pub(crate) fn new(loaded: &Loaded, settings: &RunSettings) -> Self {
        Self {
            prepared: loaded.prepared.clone(),
            name: loaded.name.clone(),
            slot: Arc::new(Mutex::new(None)),
            guests: settings.guests.clone(),
            account: settings.accounts.of(loaded),
        }
    }

    /// Makes the store and the instance on behalf of a hook, within the limits of one. What the run lends is given up when
    /// that fails.
    ///
    /// # Cancel safety
    /// When it is dropped there is no instance.
    pub(crate) async fn create(
        &self,
        hook: &'static str,
        run: Option<RunState>,
        lifecycle: Option<Arc<dyn Lifecycle>>,
        interruption: Interruption,
    ) -> Result<(), Broken> {
        let this = self.clone();
        let span = self.span(hook);
        let created = async move {
            let _ticking = this.prepared.ticker().guest_called();
            let made = this.prepared.instantiate(&this.name, run, lifecycle);
            let wall = Duration::from_millis(this.prepared.limits().hook_ms);
            let made = tokio::select! {
                biased;
                made = made => made.map_err(|error| this.broken(hook, &error, None)),
                () = tokio::time::sleep(wall) => Err(this.exceeded(hook, LimitHit::Hook)),
                () = aborted(&interruption) => Err(Broken::Grace { hook, grace: interruption.grace }),
            };
            match made {
                Ok(live) => {
                    this.account.instantiated(hook, spent(live.store.data()));
                    *this.slot.lock().await = Some(live);
                    Ok(())
                }
                Err(broken) => {
                    // The store is gone, with all that it knew of what this took.
                    this.account.called(hook, Spent::default());
                    this.blame(hook, &broken, &interruption);
                    Err(broken)
                }
            }
        };
        AbortOnDropHandle::new(self.guests.spawn(created.instrument(span)))
            .await
            .unwrap_or_else(|error| Err(failed(hook, &error)))
    }

    /// Calls a hook on the guests' own runtime. After anything but its own answer the instance is gone.
    ///
    /// # Cancel safety
    /// When it is dropped the instance is gone.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        interruption: Interruption,
        hook: impl AsyncHook<T>,
    ) -> Result<T, Broken> {
        let this = self.clone();
        let name = hook.name();
        let span = self.span(name);
        let called = async move {
            let Some(mut live) = this.slot.lock().await.take() else {
                return Err(Broken::Gone);
            };
            let answer = this.supervise(&mut live, &interruption, hook).await;
            this.account.called(name, spent(live.store.data()));
            match &answer {
                Ok(_) => *this.slot.lock().await = Some(live),
                Err(broken) => {
                    this.blame(name, broken, &interruption);
                    retire(live).await;
                }
            }
            answer
        };
        AbortOnDropHandle::new(self.guests.spawn(called.instrument(span)))
            .await
            .unwrap_or_else(|error| Err(failed(name, &error)))
    }

    async fn supervise<T: Send + 'static>(
        &self,
        live: &mut Live,
        interruption: &Interruption,
        hook: impl AsyncHook<T>,
    ) -> Result<T, Broken> {
        let name = hook.name();
        let _ticking = self.prepared.ticker().guest_called();
        let state = live.store.data_mut();
        state.allocations.hit = None;
        let clock = state.clock.clone();
        clock.restart();
        let wall = Duration::from_millis(self.prepared.limits().hook_ms);
        let outcome = {
            let call = hook.call(live);
            tokio::select! {
                biased;
                answer = call => Ok(answer),
                () = clock.spent(wall) => Err(self.exceeded(name, LimitHit::Hook)),
                () = aborted(interruption) => Err(Broken::Grace { hook: name, grace: interruption.grace }),
            }
        };
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.broken(name, &error, live.store.data().allocations.hit)),
            Err(broken) => Err(broken),
        }
    }

    /// Whether there is something to call.
    pub(crate) async fn is_alive(&self) -> bool {
        self.slot.lock().await.is_some()
    }

    /// Drops the store; no destructor of the guest runs.
    pub(crate) async fn discard(&self) {
        let live = self.slot.lock().await.take();
        if let Some(live) = live {
            retire(live).await;
        }
    }

    /// Whether the plugin is kept out of new runs.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.account.is_quarantined()
    }

    /// Counts what has taken the instance away, and holds it against the plugin where that is to blame. What comes after it
    /// was told to return is not held against it.
    fn blame(&self, hook: &'static str, broken: &Broken, interruption: &Interruption) {
        let Some(kind) = broken.fault() else { return };
        self.account.broke(hook, kind);
        if !interruption.cancel.is_cancelled() {
            self.account.fault(hook, kind, &broken.to_string());
        }
    }

    fn span(&self, hook: &'static str) -> tracing::Span {
        tracing::debug_span!("hook", plugin = &*self.name, hook)
    }

    /// What an error of wasmtime's means, in words for an operator. `refused` is what the instance was refused in this hook.
    fn broken(&self, hook: &'static str, error: &wasmtime::Error, refused: Option<LimitHit>) -> Broken {
        // A guest that is refused memory usually gives up with a trap that does not say why.
        if let Some(hit) = LimitHit::of_error(error).or(refused) {
            return self.exceeded(hook, hit);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            let why = "there is no room for another instance of a plugin".to_owned();
            return Broken::Host { hook, why };
        }
        let trap = if let Some(I32Exit(status)) = error.downcast_ref() {
            format!("it called exit({status})")
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            trap.to_string()
        } else {
            printable(&error.root_cause().to_string()).into_owned()
        };
        Broken::Trap { hook, trap }
    }

    fn exceeded(&self, hook: &'static str, hit: LimitHit) -> Broken {
        Broken::Limit {
            hook,
            hit,
            allowed: hit.allowed(self.prepared.limits()),
            path: Limits::path(&self.name, hit.key()),
        }
    }
}

/// What a call has cost.
fn spent(state: &State) -> Spent {
    Spent {
        time: state.clock.elapsed(),
        cpu: state.clock.computing().tick(),
        refused: state.refused.take(),
    }
}

/// Drops a store, after what it has begun in the host has ended.
async fn retire(mut live: Live) {
    if let Some(run) = &mut live.store.data_mut().run {
        run.retire().await;
    }
}

/// A panic of the host's on behalf of a guest, or the end of the guests' runtime.
fn failed(hook: &'static str, error: &JoinError) -> Broken {
    tracing::error!(hook, %error, "a call of a plugin's hook broke");
    let why = if error.is_panic() {
        "it panicked"
    } else {
        "it is shutting down"
    };
    Broken::Host {
        hook,
        why: why.to_owned(),
    }
}

/// Answers once the hook has had its grace after an abort.
async fn aborted(interruption: &Interruption) {
    interruption.cancel.cancelled().await;
    tokio::time::sleep(interruption.grace).await;
}
