//! Who wants to know how runs fare while they do: the summary of `run-task`, benchmarks, tests.

use std::fmt;

use chrono::{DateTime, Utc};
use engine_api::RunKey;

/// Hears of every run of the worker, from the threads that run them: it must return at once.
pub(crate) trait RunObserver: fmt::Debug + Send + Sync {
    /// The worker is about to claim its first task.
    fn ready(&self) {}

    /// A run was claimed, of a task that was created then.
    fn claimed(&self, _key: &RunKey, _created: DateTime<Utc>) {}

    /// The run has entered a stage, by the name that `task/stage.rs` gives it. The former stage is over.
    fn stage(&self, key: &RunKey, stage: &'static str);

    /// Nothing is left of the run. `resolution` is `completed`, `failed` or `exception/<reason>`.
    fn resolved(&self, key: &RunKey, resolution: &str);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoObserver;

impl RunObserver for NoObserver {
    fn stage(&self, _key: &RunKey, _stage: &'static str) {}
    fn resolved(&self, _key: &RunKey, _resolution: &str) {}
}
