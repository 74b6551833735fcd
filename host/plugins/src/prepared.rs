//! A plugin that is compiled and linked, ready to be instantiated for a run in microseconds.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::timeout;
use wasmtime::{
    Engine, Store, UpdateDeadline,
    component::{Component, Instance, InstancePre, Linker},
};

use crate::{
    contract::{Exports, TaskExport, TaskHooks, WorkerExport},
    engine::Ticker,
    grants::Grants,
    inspect::Surface,
    limits::{LimitHit, Limits},
    ports::Lifecycle,
    state::{RunState, State},
    wasi,
};

/// One prepared instance, from which each run gets a fresh store.
#[derive(Clone)]
pub(crate) struct Prepared {
    pre: InstancePre<State>,
    exports: Exports,
    limits: Arc<Limits>,
    grants: Arc<Grants>,
    ticker: Arc<Ticker>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("task", &self.exports.task.is_some())
            .field("worker", &self.exports.worker.is_some())
            .finish()
    }
}

/// An instance with its store. Dropped whole: no destructor of the guest runs.
pub(crate) struct Live {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    /// The exports of `task-hooks`, once they were looked up.
    pub(crate) task: Option<Arc<dyn TaskHooks>>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) documentation: Vec<(String, String)>,
    pub(crate) config_schema: String,
}

/// Why a pure function of a plugin could not be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescribeError {
    #[error("it could not be instantiated or trapped")]
    Trap(#[source] wasmtime::Error),
    #[error("it did not answer in {0:?}")]
    TimedOut(Duration),
    #[error("{0}")]
    Refused(String),
}

impl Prepared {
    /// Links exactly what the component was seen to import, in the version of the contract that it is made for. What is
    /// always granted and the empty WASI come with it. No name is granted of what is linked: see
    /// [`with_grants`](Self::with_grants).
    ///
    /// # Errors
    /// When the component imports something else, or lacks an export of an interface that it claims to have.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        surface: &Surface,
        limits: Limits,
        ticker: Arc<Ticker>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        wasi::add_to_linker(&mut linker)?;
        surface.contract.link(&mut linker, &surface.capabilities)?;
        let pre = linker.instantiate_pre(component)?;
        let exports = surface.contract.exports(component, &pre)?;
        Ok(Self {
            pre,
            exports,
            limits: Arc::new(limits),
            grants: Arc::default(),
            ticker,
        })
    }

    /// The same with other limits.
    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        Self {
            limits: Arc::new(limits),
            ..self
        }
    }

    /// The same with these grants, by which the data of calls is judged.
    pub(crate) fn with_grants(self, grants: Grants) -> Self {
        Self {
            grants: Arc::new(grants),
            ..self
        }
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// What instances are made of, for measuring what each limit costs.
    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.pre
    }

    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.ticker
    }

    pub(crate) fn task_hooks(&self) -> Option<&Arc<dyn TaskExport>> {
        self.exports.task.as_ref()
    }

    pub(crate) fn worker_hooks(&self) -> Option<&Arc<dyn WorkerExport>> {
        self.exports.worker.as_ref()
    }

    /// A fresh store with an instance in it. The caller bounds the time: a component's start function may loop.
    pub(crate) async fn instantiate(
        &self,
        name: &Arc<str>,
        run: Option<RunState>,
        lifecycle: Option<Arc<dyn Lifecycle>>,
    ) -> wasmtime::Result<Live> {
        let state = State::new(
            name.clone(),
            self.limits.clone(),
            self.grants.clone(),
            run,
            lifecycle,
            self.ticker.clone(),
        );
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.allocations);
        store.set_hostcall_fuel(usize::try_from(self.limits.call_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(self.limits.handles as usize);
        let limit = self.limits.cpu();
        // A plain deadline would kill a guest that has waited in the host: only what it computes counts, and is counted
        // outside the store. It yields at each tick, so that no guest keeps a thread from the others.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback({
            let computing = store.data().clock.computing().clone();
            move |_| {
                if computing.tick() > limit {
                    return Err(wasmtime::Error::from(LimitHit::Cpu));
                }
                Ok(UpdateDeadline::Yield(1))
            }
        });
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Live {
                store,
                instance,
                task: None,
            }),
            // A memory that is too large from the beginning is refused in words that do not say by whom.
            Err(error) => Err(store.data().allocations.hit.map_or(error, wasmtime::Error::from)),
        }
    }

    /// Asks the plugin who it is, in a store that serves no run.
    pub(crate) async fn describe(&self) -> Result<Description, DescribeError> {
        self.pure(async |mut live| self.exports.plugin.describe(&mut live).await)
            .await
    }

    /// Asks the plugin which properties of the payload it reads, in a store that serves no run.
    pub(crate) async fn payload_schema(&self, config: &Value) -> Result<String, DescribeError> {
        let config = config.to_string();
        self.pure(async |mut live| self.exports.plugin.payload_schema(&mut live, config).await)
            .await?
            .map_err(DescribeError::Refused)
    }

    async fn pure<T>(&self, call: impl AsyncFnOnce(Live) -> wasmtime::Result<T>) -> Result<T, DescribeError> {
        let _ticking = self.ticker.guest_called();
        let wall = Duration::from_millis(self.limits.hook_ms);
        let called = async { call(self.instantiate(&Arc::from("describe"), None, None).await?).await };
        match timeout(wall, called).await {
            Ok(answer) => answer.map_err(DescribeError::Trap),
            Err(_elapsed) => Err(DescribeError::TimedOut(wall)),
        }
    }
}
