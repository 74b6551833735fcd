//! Which plugins have broken how often, by the hashes of their files, and which are in quarantine for it.
//!
//! ```text
//! record ─► limit faults within the window ─► quarantined: in no new run ─► released, or another file in its place
//! ```
//!
//! A fault is what takes an instance away through no doing of others: a trap, an exceeded limit, a time-out, in a hook of a
//! task or of the worker. These are none:
//!
//! - an error that a hook answers: that is the plugin's word, and its instance lives;
//! - anything after the hook was told to return, the end of its grace among it: what follows from an abort says little about
//!   a plugin, and who may cancel a task must not be able to take a plugin out of service with it;
//! - a failure of the worker's own code, or that it has no room for another instance.
//!
//! - `file` reads and writes what is kept,
//! - `keeper` owns the file while a worker works.

pub(crate) mod file;
pub(crate) mod keeper;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::statistics::PluginIdentity;

/// Files of which faults are kept at one time.
const MAX_ENTRIES: usize = 256;
/// Faults of one file that are kept at least, for people to see: more where the limit is higher.
const MIN_TIMES: usize = 10;
/// The longest message that is kept of a fault, in bytes.
const MAX_MESSAGE: usize = 512;

/// When a plugin's faults put it out of service.
#[derive(Clone, Debug)]
pub struct FaultPolicy {
    /// Where faults are kept, so that a restart does not forget them. Its directory must exist.
    pub file: PathBuf,
    /// So many faults of one file put it into quarantine. 0: never.
    pub limit: u32,
    /// Only those count together that are no farther apart than this.
    pub window: Duration,
}

/// How a plugin broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The guest trapped or ended itself.
    Trap,
    /// It used more than it may.
    Limit,
    /// It did not return in time.
    TimeOut,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// When it was.
    pub at: DateTime<Utc>,
    /// The hook that was called.
    pub hook: String,
    /// How it broke.
    pub kind: FaultKind,
    /// What the log says of it.
    pub message: String,
}

/// Why a file is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quarantine {
    /// How many faults there were.
    pub(crate) faults: usize,
    /// Within which time.
    pub(crate) window: Duration,
    /// The last of them.
    pub(crate) last: String,
}

/// What is kept of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) plugin: PluginIdentity,
    /// The last faults, in the order in which they were.
    pub(crate) times: VecDeque<DateTime<Utc>>,
    pub(crate) last: Fault,
    /// Since when it is in quarantine.
    pub(crate) quarantined: Option<DateTime<Utc>>,
}

/// The faults of all files. No I/O.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// By hash.
    entries: BTreeMap<String, Entry>,
}

impl Ledger {
    /// What was kept before.
    pub(crate) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut ledger = Self::default();
        for entry in entries {
            ledger.insert(entry);
        }
        ledger
    }

    /// Takes a fault in. Answers whether it has put the file into quarantine.
    pub(crate) fn record(&mut self, policy: &FaultPolicy, plugin: &PluginIdentity, fault: Fault) -> bool {
        let mut entry = self.entries.remove(&*plugin.sha256).unwrap_or_else(|| Entry {
            plugin: plugin.clone(),
            times: VecDeque::new(),
            last: fault.clone(),
            quarantined: None,
        });
        let now = fault.at;
        entry.times.push_back(now);
        entry.last = fault;
        entry.forget(policy, now);
        let limit = policy.limit as usize;
        let is_enough = limit > 0 && entry.times.len() >= limit && entry.quarantined.is_none();
        if is_enough {
            entry.quarantined = Some(now);
        }
        self.insert(entry);
        is_enough
    }

    /// Forgets the faults of a file. Answers whether there were any.
    pub(crate) fn release(&mut self, sha256: &str) -> bool {
        self.entries.remove(sha256).is_some()
    }

    /// Forgets faults that do not count any more.
    pub(crate) fn forget(&mut self, policy: &FaultPolicy, now: DateTime<Utc>) {
        for entry in self.entries.values_mut() {
            entry.forget(policy, now);
        }
        self.entries
            .retain(|_, entry| entry.quarantined.is_some() || !entry.times.is_empty());
    }

    pub(crate) fn entry(&self, sha256: &str) -> Option<&Entry> {
        self.entries.get(sha256)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Adds an entry. Where there are too many the oldest goes, and one in quarantine only where all are.
    fn insert(&mut self, entry: Entry) {
        if self.entries.len() >= MAX_ENTRIES {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| (entry.quarantined.is_some(), entry.last.at))
                .map(|(sha256, _)| sha256.clone());
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(entry.plugin.sha256.to_string(), entry);
    }
}

impl Entry {
    /// Forgets faults that do not count any more. What put the file into quarantine is kept for as long as it is there.
    fn forget(&mut self, policy: &FaultPolicy, now: DateTime<Utc>) {
        if self.quarantined.is_none() {
            let is_old = |at: &DateTime<Utc>| {
                now.signed_duration_since(at)
                    .to_std()
                    .is_ok_and(|age| age > policy.window)
            };
            self.times.retain(|at| !is_old(at));
        }
        let most = (policy.limit as usize).max(MIN_TIMES);
        while self.times.len() > most {
            self.times.pop_front();
        }
    }
}

/// The faults of all plugins of a worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: FaultPolicy,
    ledger: Mutex<Ledger>,
    /// Changes whenever a file enters or leaves quarantine.
    generation: AtomicU64,
    changed: Notify,
}

impl Faults {
    pub(crate) fn new(policy: FaultPolicy, ledger: Ledger) -> Self {
        Self(Arc::new(Shared {
            policy,
            ledger: Mutex::new(ledger),
            generation: AtomicU64::new(0),
            changed: Notify::new(),
        }))
    }

    pub(crate) fn policy(&self) -> &FaultPolicy {
        &self.0.policy
    }

    /// Takes a fault of a plugin in.
    pub(crate) fn record(&self, plugin: &PluginIdentity, hook: &str, kind: FaultKind, message: &str) {
        let end = message.floor_char_boundary(MAX_MESSAGE);
        let fault = Fault {
            at: Utc::now(),
            hook: hook.to_owned(),
            kind,
            message: message.get(..end).unwrap_or_default().to_owned(),
        };
        if self.ledger().record(&self.0.policy, plugin, fault) {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
        self.0.changed.notify_one();
    }

    /// Forgets the faults of a file.
    pub(crate) fn release(&self, sha256: &str) {
        let released = self.ledger().release(sha256);
        if released {
            self.0.generation.fetch_add(1, Ordering::Release);
            self.0.changed.notify_one();
        }
    }

    /// Whether a file is kept out of new runs.
    pub(crate) fn is_quarantined(&self, sha256: &str) -> bool {
        self.quarantine(sha256).is_some()
    }

    /// Why a file is kept out of new runs; none where it is not.
    pub(crate) fn quarantine(&self, sha256: &str) -> Option<Quarantine> {
        if self.0.policy.limit == 0 {
            return None;
        }
        let ledger = self.ledger();
        let entry = ledger.entry(sha256)?;
        entry.quarantined.map(|_| Quarantine {
            faults: entry.times.len(),
            window: self.0.policy.window,
            last: entry.last.message.clone(),
        })
    }

    /// Whether any faults are known.
    pub(crate) fn any(&self) -> bool {
        self.ledger().entries().next().is_some()
    }

    /// A number that is another one once a file has entered or left quarantine.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Answers once something has changed.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// What is known now, without what does not count any more.
    pub(crate) fn snapshot(&self) -> Ledger {
        let mut ledger = self.ledger();
        ledger.forget(&self.0.policy, Utc::now());
        ledger.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
