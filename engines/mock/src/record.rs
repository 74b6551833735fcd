//! What the engine was told, and what it still holds.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engine_api::RunKey;

/// A call that the engine, or something that it made, got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `Engine::new_builder`
    NewBuilder,
    /// `SandboxBuilder::set_variable`, accepted.
    SetVariable {
        /// The name of the variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// `SandboxBuilder::start`
    Start,
    /// `SandboxBuilder::discard`
    Discard,
    /// `Sandbox::wait`
    Wait,
    /// `Sandbox::kill`
    Kill,
    /// `ResultSet::dispose`
    Dispose,
}

/// The calls of all runs, behind all clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<BTreeMap<RunKey, RunRecord>>>);

#[derive(Debug, Default)]
struct RunRecord {
    calls: Vec<Call>,
    held: bool,
}

impl Record {
    /// Begins the record of a run, which holds something until [`Held::release`].
    pub(crate) fn begin(&self, run: &RunKey) -> Held {
        Held {
            run: run.clone(),
            record: self.clone(),
        }
        .again()
    }

    pub(crate) fn calls(&self, run: &RunKey) -> Vec<Call> {
        self.runs()
            .get(run)
            .map(|run| run.calls.clone())
            .unwrap_or_default()
    }

    pub(crate) fn held(&self) -> Vec<RunKey> {
        self.runs()
            .iter()
            .filter(|(_, run)| run.held)
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunKey, RunRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run holds. It stays held where this is dropped and not released: that is the leak that tests look for.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    run: RunKey,
    record: Record,
}

impl Held {
    pub(crate) fn call(&self, call: Call) {
        self.record
            .runs()
            .entry(self.run.clone())
            .or_default()
            .calls
            .push(call);
    }

    pub(crate) fn release(&self) {
        self.set(false);
    }

    /// Hands what the run holds on to the next thing: it is held from now on, until that is released.
    pub(crate) fn again(&self) -> Self {
        self.set(true);
        self.clone()
    }

    fn set(&self, held: bool) {
        self.record.runs().entry(self.run.clone()).or_default().held = held;
    }
}
