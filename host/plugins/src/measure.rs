//! What plugins cost, for `make bench`: the code that serves a worker, timed where nothing else is in between.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    answer::ExceptionReason,
    directory::read_anywhere,
    hooks::{self, InTask},
    host::OpenError,
    inspection::InspectOptions,
    instance::AsyncHook as _,
    loader::{Found, Purpose},
    machine::Machine,
    prepared::Prepared,
    refusal::Refusal,
    refusals::Refusals,
};

mod limits;

pub use limits::{LimitCost, NUMBERS, Without, measure_limits};

/// How often each thing is done.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Loads from the cache.
    pub loads: usize,
    /// Instances, each dropped before the next is made.
    pub instances: usize,
    /// Calls of one hook of one instance.
    pub calls: usize,
}

/// How long each thing took, in the order in which it was done.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the file to a plugin that is ready, compiled in a child process.
    pub load_cold: Duration,
    /// The same where the compiled code was in the cache.
    pub loads: Vec<Duration>,
    /// From a prepared plugin to an instance in a store of its own.
    pub instances: Vec<Duration>,
    /// One call of a hook that does nothing, and back.
    pub calls: Vec<Duration>,
}

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// Plugins can't be run here at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It would not be loaded.
    #[error("the plugin is refused")]
    Refused(#[from] Refusals),
    /// It is no task plugin.
    #[error("the plugin has no hooks of tasks")]
    NoHooks,
    /// It can't be instantiated or called.
    #[error("the plugin broke: {0}")]
    Broken(String),
}

impl From<Refusal> for MeasureError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Loads a task plugin, first with the cache as it is (empty, if it is to be compiled), and uses it many times. A worker does
/// the same with more around it: the way to the guests' threads and back, and the run that an instance serves.
///
/// # Errors
/// See [`MeasureError`].
pub async fn measure(path: &Path, options: InspectOptions, rounds: Rounds) -> Result<Measured, MeasureError> {
    let machine = Machine::start(Arc::new(options.config), options.compiler, options.progress)
        .map_err(OpenError::Start)?;
    let measured = with_machine(&machine, path, rounds).await;
    machine.shutdown().await;
    measured
}

async fn with_machine(machine: &Machine, path: &Path, rounds: Rounds) -> Result<Measured, MeasureError> {
    let (load_cold, _) = load(machine, path).await?;
    let mut loads = Vec::with_capacity(rounds.loads);
    let mut prepared = None;
    for _ in 0..rounds.loads {
        let (took, plugin) = load(machine, path).await?;
        loads.push(took);
        prepared = Some(plugin);
    }
    let prepared = prepared.ok_or(MeasureError::NoHooks)?;
    let used = machine.guests().spawn(async move {
        let instances = instantiate(&prepared, rounds.instances).await?;
        let calls = call(&prepared, rounds.calls).await?;
        Ok::<_, MeasureError>((instances, calls))
    });
    let (instances, calls) = used
        .await
        .map_err(|error| MeasureError::Broken(error.to_string()))??;
    Ok(Measured {
        load_cold,
        loads,
        instances,
        calls,
    })
}

async fn load(machine: &Machine, path: &Path) -> Result<(Duration, Prepared), MeasureError> {
    let begun = Instant::now();
    let found = Found {
        file: read_anywhere(path).map_err(Refusal::from)?,
        problems: Vec::new(),
    };
    let outcome = machine.load(vec![found], Purpose::Load).await.pop();
    let took = begun.elapsed();
    let loaded = outcome.ok_or(MeasureError::NoHooks)?.result?;
    Ok((took, loaded.prepared.clone()))
}

async fn instantiate(prepared: &Prepared, rounds: usize) -> Result<Vec<Duration>, MeasureError> {
    let _ticking = prepared.ticker().guest_called();
    let name = Arc::from("measured");
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        let live = prepared.instantiate(&name, None, None).await.map_err(broken)?;
        took.push(begun.elapsed());
        drop(live);
    }
    Ok(took)
}

async fn call(prepared: &Prepared, rounds: usize) -> Result<Vec<Duration>, MeasureError> {
    let _ticking = prepared.ticker().guest_called();
    let indices = prepared.task_hooks().ok_or(MeasureError::NoHooks)?;
    let mut live = prepared
        .instantiate(&Arc::from("measured"), None, None)
        .await
        .map_err(broken)?;
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        // As for each hook of a run: what one may compute is counted anew.
        live.store.data().clock.restart();
        let hook = InTask {
            hook: hooks::Exception(ExceptionReason::InternalError),
            indices: indices.clone(),
            cancel: CancellationToken::new(),
        };
        let begun = Instant::now();
        let (answer, _) = hook.call(&mut live).await.map_err(broken)?;
        took.push(begun.elapsed());
        answer.map_err(|error| MeasureError::Broken(format!("{error:?}")))?;
    }
    Ok(took)
}

fn broken(error: wasmtime::Error) -> MeasureError {
    MeasureError::Broken(format!("{error:#}"))
}
