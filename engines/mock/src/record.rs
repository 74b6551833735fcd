//! What the engine was told, and what it still holds.

use std::{
    collections::{BTreeMap, VecDeque},
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

/// Of how many runs that hold nothing any more the calls are kept: a worker of this engine may have any number of them.
const KEPT: usize = 256;

/// The calls of the last runs and of all that hold something, behind all clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    by_key: BTreeMap<RunKey, RunRecord>,
    /// Those that hold nothing any more, in the order in which they gave it back.
    over: VecDeque<RunKey>,
}

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
            .by_key
            .get(run)
            .map(|run| run.calls.clone())
            .unwrap_or_default()
    }

    pub(crate) fn held(&self) -> Vec<RunKey> {
        self.runs()
            .by_key
            .iter()
            .filter(|(_, run)| run.held)
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    fn of(&mut self, run: &RunKey) -> &mut RunRecord {
        self.by_key.entry(run.clone()).or_default()
    }

    /// Forgets the oldest of too many runs that are over.
    fn note_over(&mut self, run: &RunKey) {
        self.over.push_back(run.clone());
        while self.over.len() > KEPT {
            let Some(oldest) = self.over.pop_front() else {
                return;
            };
            if self.by_key.get(&oldest).is_some_and(|run| !run.held) {
                self.by_key.remove(&oldest);
            }
        }
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
        self.record.runs().of(&self.run).calls.push(call);
    }

    pub(crate) fn release(&self) {
        let mut runs = self.record.runs();
        runs.of(&self.run).held = false;
        runs.note_over(&self.run);
    }

    /// Hands what the run holds on to the next thing: it is held from now on, until that is released.
    pub(crate) fn again(&self) -> Self {
        self.record.runs().of(&self.run).held = true;
        self.clone()
    }
}
