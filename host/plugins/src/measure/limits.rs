//! What each limit of an instance costs: the same things with all of them on, and with one of them left out.
//!
//! Nothing but this can leave one out. What is switched off here is what `prepared` and `engine` switch on.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline, component::Component};

use super::{MeasureError, broken};
use crate::{
    answer::ExceptionReason,
    bindings::latest::taskcluster::plugin::types,
    directory::read_anywhere,
    engine::{Ticker, engine_without_epochs, running_engine},
    hooks::{self, InTask, TaskHook},
    host::OpenError,
    inspect,
    instance::AsyncHook as _,
    limits::{LimitHit, Limits},
    machine::StartError,
    prepared::{Live, Prepared},
    refusal::Refusal,
    state::State,
};

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Nothing: as plugins run.
    Nothing,
    /// The interruption of what computes for too long: neither the compiled code nor the store know of epochs.
    Epochs,
    /// The bounds on memories and tables, and the sum of both.
    MemoryLimits,
    /// The bound on bytes across one call.
    CallBytes,
    /// The bound on handles.
    Handles,
    /// All of these.
    Everything,
}

/// How long things took with something left out.
#[derive(Clone, Debug)]
pub struct LimitCost {
    /// What.
    pub without: Without,
    /// An instance in a store of its own.
    pub instances: Vec<Duration>,
    /// A call of a hook that does nothing.
    pub calls: Vec<Duration>,
    /// A call of a hook that computes: it reads a payload of [`NUMBERS`] numbers.
    pub computing: Vec<Duration>,
}

/// How many numbers the payload has that is read.
pub const NUMBERS: usize = 10_000;

impl Without {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Epochs,
        Self::MemoryLimits,
        Self::CallBytes,
        Self::Handles,
        Self::Everything,
    ];

    fn has(self, limit: Self) -> bool {
        self != limit && self != Self::Everything
    }
}

/// A plugin, linked for an engine that knows epochs or for one that does not.
struct Subject {
    without: Without,
    prepared: Prepared,
    cost: LimitCost,
}

/// Uses the plugin `exit-status`, which lies at `path`, with everything on and with each limit left out, `rounds` times each
/// in turns, so that what else the machine does meanwhile disturbs all alike.
///
/// # Errors
/// See [`MeasureError`].
pub async fn measure_limits(path: &Path, rounds: usize) -> Result<Vec<LimitCost>, MeasureError> {
    let bytes = read_anywhere(path).map_err(Refusal::from)?.bytes;
    let mut subjects = Vec::new();
    for without in Without::ALL {
        subjects.push(Subject::new(without, &bytes)?);
    }
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.round().await?;
        }
    }
    Ok(subjects.into_iter().map(|subject| subject.cost).collect())
}

impl Subject {
    fn new(without: Without, bytes: &[u8]) -> Result<Self, MeasureError> {
        let cannot = |error: wasmtime::Error| {
            MeasureError::Open(OpenError::Start(StartError::Engine(format!("{error:#}"))))
        };
        let limits = Limits::default();
        let engine = if without.has(Without::Epochs) {
            running_engine(&limits)
        } else {
            engine_without_epochs(&limits)
        };
        let engine = engine.map_err(cannot)?;
        let ticker = Ticker::start(&engine).map_err(|error| OpenError::Start(StartError::Threads(error)))?;
        let component = Component::from_binary(&engine, bytes).map_err(broken)?;
        let surface = inspect::surface(bytes)?;
        let prepared =
            Prepared::new(&engine, &component, &surface, limits, Arc::new(ticker)).map_err(broken)?;
        let cost = LimitCost {
            without,
            instances: Vec::new(),
            calls: Vec::new(),
            computing: Vec::new(),
        };
        Ok(Self {
            without,
            prepared,
            cost,
        })
    }

    async fn round(&mut self) -> Result<(), MeasureError> {
        let _ticking = self.prepared.ticker().guest_called();
        let begun = Instant::now();
        let mut live = self.instantiate().await?;
        self.cost.instances.push(begun.elapsed());
        let nothing = hooks::Exception(ExceptionReason::InternalError);
        // The first call looks the exports up.
        self.call(&mut live, nothing).await?;
        let nothing = hooks::Exception(ExceptionReason::InternalError);
        let took = self.call(&mut live, nothing).await?;
        self.cost.calls.push(took);
        let took = self.call(&mut live, new_task()).await?;
        self.cost.computing.push(took);
        Ok(())
    }

    /// As [`Prepared::instantiate`], but for what is left out.
    async fn instantiate(&self) -> Result<Live, MeasureError> {
        let limits = self.prepared.limits().clone();
        let state = State::new(
            Arc::from("measured"),
            limits.clone(),
            Arc::default(),
            None,
            None,
            self.prepared.ticker().clone(),
        );
        let pre = self.prepared.pre();
        let mut store = Store::new(pre.engine(), state);
        if self.without.has(Without::MemoryLimits) {
            store.limiter(|state| &mut state.allocations);
        }
        if self.without.has(Without::CallBytes) {
            store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        } else {
            store.set_hostcall_fuel(usize::MAX);
        }
        if self.without.has(Without::Handles) {
            store.set_max_component_handles(limits.handles as usize);
        }
        if self.without.has(Without::Epochs) {
            let limit = limits.cpu();
            let computing = store.data().clock.computing().clone();
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(move |_| {
                if computing.tick() > limit {
                    return Err(wasmtime::Error::from(LimitHit::Cpu));
                }
                Ok(UpdateDeadline::Yield(1))
            });
        }
        let instance = pre.instantiate_async(&mut store).await.map_err(broken)?;
        Ok(Live {
            store,
            instance,
            task: None,
        })
    }

    async fn call(&self, live: &mut Live, hook: impl TaskHook) -> Result<Duration, MeasureError> {
        let indices = self.prepared.task_hooks().ok_or(MeasureError::NoHooks)?.clone();
        live.store.data().clock.restart();
        let call = InTask {
            hook,
            indices,
            cancel: CancellationToken::new(),
        };
        let begun = Instant::now();
        let (answer, _) = call.call(live).await.map_err(broken)?;
        let took = begun.elapsed();
        answer.map_err(|error| MeasureError::Broken(format!("{error:?}")))?;
        Ok(took)
    }
}

/// A run whose payload takes a while to be read.
fn new_task() -> hooks::NewTask {
    let numbers: Vec<usize> = (1..=NUMBERS).collect();
    let text = || "measured".to_owned();
    hooks::NewTask {
        task: types::TaskInfo {
            task_id: text(),
            run_id: 0,
            task_group_id: text(),
            created: text(),
            deadline: text(),
            expires: text(),
            scopes: Vec::new(),
        },
        worker: types::WorkerInfo {
            root_url: text(),
            task_queue_id: text(),
            worker_group: text(),
            worker_id: text(),
            engine: text(),
            metadata: Vec::new(),
        },
        config: json!({}).to_string(),
        payload: Some(json!({"onExitStatus": {"retry": numbers}}).to_string()),
    }
}
