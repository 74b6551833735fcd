//! What the hooks of each plugin have cost and how they ended, in counters that cost nothing to raise.
//!
//! There is one account for each version of a plugin, however many runs it serves. Accounts of versions that nothing refers
//! to any more are let go when there are many.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    bindings::latest::taskcluster::plugin::types::Error,
    faults::{FaultKind, Faults},
    set::Loaded,
};

/// The hooks of both kinds of plugins, as the contract names them. The last stands for all that are not named here.
const HOOKS: [&str; 11] = [
    "new-task",
    "build-sandbox",
    "started",
    "stopped",
    "finished",
    "exception",
    "worker-started",
    "report-idle",
    "report-progress",
    "report-non-fatal-error",
    "other",
];
/// From so many accounts on those are let go that nobody uses.
const MANY: usize = 128;

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginIdentity {
    /// What it calls itself.
    pub name: Arc<str>,
    /// The version that it says it is.
    pub version: Arc<str>,
    /// Of its file's bytes, hexadecimal.
    pub sha256: Arc<str>,
}

impl PluginIdentity {
    /// So much of the hash as people need to find it.
    #[must_use]
    pub fn short_sha256(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }
}

/// What the calls of one hook have come to. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HookStatistics {
    /// Calls that have ended.
    pub calls: u64,
    /// The time that all of them took. Waiting for the sandbox or for uploads does not count, as it does not for `hookMs`.
    pub total_us: u64,
    /// The time that the longest took.
    pub max_us: u64,
    /// The time that the guest computed, to the 10 ms by which guests are looked at.
    pub cpu_us: u64,
    /// Calls that ended in a trap.
    pub traps: u64,
    /// Calls that exceeded a limit.
    pub exceeded_limits: u64,
    /// Calls that did not return in time.
    pub time_outs: u64,
    /// Calls of the host that were answered with `denied` or `limit`.
    pub refused_calls: u64,
}

/// What the hooks of one version of a plugin have come to.
#[derive(Clone, Debug)]
pub struct PluginStatistics {
    /// Which.
    pub plugin: PluginIdentity,
    /// By name; those that were called.
    pub hooks: BTreeMap<&'static str, HookStatistics>,
}

/// How one version of a plugin stands with the worker.
#[derive(Clone, Debug)]
pub struct PluginStanding {
    /// Which.
    pub plugin: PluginIdentity,
    /// Whether new runs use it.
    pub in_service: bool,
    /// Whether it is kept out of new runs for its faults.
    pub quarantined: bool,
    /// How often it has broken, as far as that still counts.
    pub faults: u64,
}

/// The accounts of all plugins of a worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Accounts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    faults: Faults,
    accounts: Mutex<BTreeMap<PluginIdentity, Arc<Account>>>,
    /// Those that new runs use; their accounts are not let go.
    in_service: Mutex<Vec<Arc<Account>>>,
    /// Somebody should keep what there is.
    settled: Notify,
}

/// The account of one version of a plugin.
#[derive(Debug)]
pub(crate) struct Account {
    plugin: PluginIdentity,
    faults: Faults,
    hooks: [Counters; HOOKS.len()],
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    total_us: AtomicU64,
    max_us: AtomicU64,
    cpu_us: AtomicU64,
    traps: AtomicU64,
    exceeded_limits: AtomicU64,
    time_outs: AtomicU64,
    refused_calls: AtomicU64,
}

/// What one call has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// By the hook's own clock.
    pub(crate) time: Duration,
    /// Of the guest.
    pub(crate) cpu: Duration,
    /// Calls of the host that were refused.
    pub(crate) refused: u64,
}

/// Counts the calls of the host that one instance was refused. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedCalls(Arc<AtomicU64>);

impl RefusedCalls {
    /// Passes an error on, counted if it is a refusal.
    pub(crate) fn note(&self, error: Error) -> Error {
        if matches!(error, Error::Denied(_) | Error::Limit(_)) {
            self.0.fetch_add(1, Relaxed);
        }
        error
    }

    /// How many there were since this was last called.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }
}

impl Accounts {
    pub(crate) fn new(faults: Faults) -> Self {
        Self(Arc::new(Shared {
            faults,
            accounts: Mutex::default(),
            in_service: Mutex::default(),
            settled: Notify::new(),
        }))
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The account of a plugin, opened where there is none.
    pub(crate) fn of(&self, loaded: &Loaded) -> Arc<Account> {
        let plugin = loaded.identity();
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MANY && !accounts.contains_key(&plugin) {
            accounts.retain(|_, account| Arc::strong_count(account) > 1);
        }
        let open = || {
            Arc::new(Account {
                plugin: plugin.clone(),
                faults: self.0.faults.clone(),
                hooks: Default::default(),
            })
        };
        accounts.entry(plugin.clone()).or_insert_with(open).clone()
    }

    /// New runs use these plugins from now on.
    pub(crate) fn put_in_service(&self, plugins: &[Arc<Loaded>]) {
        let accounts = plugins.iter().map(|loaded| self.of(loaded)).collect();
        *self.0.in_service.lock().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// How all plugins stand of which anything is known.
    pub(crate) fn standings(&self) -> Vec<PluginStanding> {
        let standing = |plugin: &PluginIdentity| PluginStanding {
            plugin: plugin.clone(),
            in_service: false,
            quarantined: false,
            faults: 0,
        };
        let mut standings: BTreeMap<PluginIdentity, PluginStanding> = BTreeMap::new();
        for account in &*self.0.in_service.lock().unwrap_or_else(PoisonError::into_inner) {
            let known = standings.entry(account.plugin.clone());
            known.or_insert_with(|| standing(&account.plugin)).in_service = true;
        }
        for entry in self.0.faults.snapshot().entries() {
            let known = standings.entry(entry.plugin.clone());
            let known = known.or_insert_with(|| standing(&entry.plugin));
            known.quarantined = self.0.faults.is_quarantined(&entry.plugin.sha256);
            known.faults = entry.times.len() as u64;
        }
        standings.into_values().collect()
    }

    /// What all accounts say now.
    pub(crate) fn snapshot(&self) -> Vec<PluginStatistics> {
        let accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.values().map(|account| account.snapshot()).collect()
    }

    /// A run is over: what the accounts say is worth keeping.
    pub(crate) fn settle(&self) {
        self.0.settled.notify_one();
    }

    /// Answers once [`settle`](Self::settle) was called.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn settled(&self) {
        self.0.settled.notified().await;
    }
}

impl Account {
    /// Whether the plugin is kept out of new runs.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.faults.is_quarantined(&self.plugin.sha256)
    }

    /// An instance was made on behalf of a hook that is about to be called.
    pub(crate) fn instantiated(&self, hook: &str, spent: Spent) {
        self.counters(hook).add(spent);
    }

    /// A call has ended.
    pub(crate) fn called(&self, hook: &str, spent: Spent) {
        let counters = self.counters(hook);
        counters.calls.fetch_add(1, Relaxed);
        counters.add(spent);
    }

    /// A call has taken the instance with it.
    pub(crate) fn broke(&self, hook: &str, kind: FaultKind) {
        let counters = self.counters(hook);
        let counter = match kind {
            FaultKind::Trap => &counters.traps,
            FaultKind::Limit => &counters.exceeded_limits,
            FaultKind::TimeOut => &counters.time_outs,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// That was a fault of the plugin's own.
    pub(crate) fn fault(&self, hook: &str, kind: FaultKind, message: &str) {
        self.faults.record(&self.plugin, hook, kind, message);
    }

    fn counters(&self, hook: &str) -> &Counters {
        let named = HOOKS.iter().zip(&self.hooks).find(|(name, _)| **name == hook);
        let [.., other] = &self.hooks;
        named.map_or(other, |(_, counters)| counters)
    }

    fn snapshot(&self) -> PluginStatistics {
        PluginStatistics {
            plugin: self.plugin.clone(),
            hooks: HOOKS
                .iter()
                .zip(&self.hooks)
                .map(|(name, counters)| (*name, counters.read()))
                .filter(|(_, read)| *read != HookStatistics::default())
                .collect(),
        }
    }
}

impl Counters {
    fn add(&self, spent: Spent) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.total_us.fetch_add(micros(spent.time), Relaxed);
        self.max_us.fetch_max(micros(spent.time), Relaxed);
        self.cpu_us.fetch_add(micros(spent.cpu), Relaxed);
        self.refused_calls.fetch_add(spent.refused, Relaxed);
    }

    fn read(&self) -> HookStatistics {
        HookStatistics {
            calls: self.calls.load(Relaxed),
            total_us: self.total_us.load(Relaxed),
            max_us: self.max_us.load(Relaxed),
            cpu_us: self.cpu_us.load(Relaxed),
            traps: self.traps.load(Relaxed),
            exceeded_limits: self.exceeded_limits.load(Relaxed),
            time_outs: self.time_outs.load(Relaxed),
            refused_calls: self.refused_calls.load(Relaxed),
        }
    }
}
