//! A plugin that is compiled and linked, ready to be instantiated for a run in microseconds.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::timeout;
use wasmtime::{
    Engine, Store, UpdateDeadline,
    component::{Component, Instance, InstancePre, Linker},
};

use crate::{
    bindings::v0_1::exports::taskcluster::plugin::{plugin, task_hooks, worker_hooks},
    capabilities,
    engine::Ticker,
    limits::{LimitHit, Limits},
    ports::Lifecycle,
    state::{RunState, State},
    wasi,
};

/// One prepared instance, from which each run gets a fresh store.
#[derive(Clone)]
pub(crate) struct Prepared {
    pre: InstancePre<State>,
    plugin: Arc<plugin::GuestIndices>,
    task: Option<Arc<task_hooks::GuestIndices>>,
    worker: Option<Arc<worker_hooks::GuestIndices>>,
    limits: Arc<Limits>,
    ticker: Arc<Ticker>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("task", &self.task.is_some())
            .field("worker", &self.worker.is_some())
            .finish()
    }
}

/// An instance with its store. Dropped whole: no destructor of the guest runs.
pub(crate) struct Live {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    /// The exports of `task-hooks`, once they were looked up.
    pub(crate) task: Option<task_hooks::Guest>,
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
    /// Links exactly what is in `imports`: capabilities by name. What is always granted and the empty WASI come with it.
    ///
    /// # Errors
    /// When the component imports something else, or lacks an export of an interface that it claims to have.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        imports: &[String],
        limits: Limits,
        ticker: Arc<Ticker>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        wasi::add_to_linker(&mut linker)?;
        capabilities::add_always(&mut linker)?;
        for name in imports {
            capabilities::add(&mut linker, name)?;
        }
        let pre = linker.instantiate_pre(component)?;
        let exports = |interface: &str| {
            let name = format!("{}/{interface}@{}", capabilities::PACKAGE, capabilities::VERSION);
            component.get_export_index(None, &name).is_some()
        };
        let plugin = Arc::new(plugin::GuestIndices::new(&pre)?);
        let task = exports("task-hooks")
            .then(|| task_hooks::GuestIndices::new(&pre))
            .transpose()?
            .map(Arc::new);
        let worker = exports("worker-hooks")
            .then(|| worker_hooks::GuestIndices::new(&pre))
            .transpose()?
            .map(Arc::new);
        Ok(Self {
            pre,
            plugin,
            task,
            worker,
            limits: Arc::new(limits),
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

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.ticker
    }

    pub(crate) fn task_hooks(&self) -> Option<&Arc<task_hooks::GuestIndices>> {
        self.task.as_ref()
    }

    pub(crate) fn worker_hooks(&self) -> Option<&Arc<worker_hooks::GuestIndices>> {
        self.worker.as_ref()
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
        let described = self
            .pure(async |mut live| {
                let guest = self.plugin.load(&mut live.store, &live.instance)?;
                guest.call_describe(&mut live.store).await
            })
            .await?;
        Ok(Description {
            name: described.name,
            version: described.version,
            summary: described.summary,
            documentation: described
                .documentation
                .into_iter()
                .map(|section| (section.title, section.content))
                .collect(),
            config_schema: described.config_schema,
        })
    }

    /// Asks the plugin which properties of the payload it reads, in a store that serves no run.
    pub(crate) async fn payload_schema(&self, config: &Value) -> Result<String, DescribeError> {
        let config = config.to_string();
        self.pure(async |mut live| {
            let guest = self.plugin.load(&mut live.store, &live.instance)?;
            guest.call_payload_schema(&mut live.store, &config).await
        })
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
