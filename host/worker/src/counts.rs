//! What a worker counts of its own work. Counting costs nothing; the metrics page reads it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::task::resolution::Resolution;

/// The counts of one worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Counts(Arc<Inner>);

/// A number that only grows, or one that goes up and down. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    claims: Count,
    failed_claims: Count,
    lost_claims: Count,
    failed_reclaims: Count,
    running: Count,
    capacity: Count,
    lacking_plugins: Count,
    /// By resolution.
    runs: Mutex<BTreeMap<String, u64>>,
}

impl Count {
    /// One more.
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// So many from now on.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// How many.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counts {
    /// Of a worker that begins now, and runs so many tasks at a time.
    pub(crate) fn new(capacity: u32) -> Self {
        let counts = Self(Arc::new(Inner {
            began: Instant::now(),
            claims: Count::default(),
            failed_claims: Count::default(),
            lost_claims: Count::default(),
            failed_reclaims: Count::default(),
            running: Count::default(),
            capacity: Count::default(),
            lacking_plugins: Count::default(),
            runs: Mutex::default(),
        }));
        counts.capacity().set(capacity.into());
        counts
    }

    /// When the worker began.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    /// Runs that the queue has granted.
    pub(crate) fn claims(&self) -> &Count {
        &self.0.claims
    }

    /// Calls of `claimWork` that were refused, or not answered.
    pub(crate) fn failed_claims(&self) -> &Count {
        &self.0.failed_claims
    }

    /// Those among them that may have granted tasks all the same.
    pub(crate) fn lost_claims(&self) -> &Count {
        &self.0.lost_claims
    }

    /// Calls of `reclaimTask` that failed.
    pub(crate) fn failed_reclaims(&self) -> &Count {
        &self.0.failed_reclaims
    }

    /// Runs that are not over.
    pub(crate) fn running(&self) -> &Count {
        &self.0.running
    }

    /// How many runs there may be at a time.
    pub(crate) fn capacity(&self) -> &Count {
        &self.0.capacity
    }

    /// Plugins that are required and not in service: while there are any, nothing is claimed.
    pub(crate) fn lacking_plugins(&self) -> &Count {
        &self.0.lacking_plugins
    }

    /// A run is over.
    pub(crate) fn run_over(&self, resolution: Resolution) {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        // Resolutions are a few words, so this does not grow.
        *runs.entry(resolution.to_string()).or_default() += 1;
    }

    /// How many runs are over, by resolution.
    pub(crate) fn runs(&self) -> BTreeMap<String, u64> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
