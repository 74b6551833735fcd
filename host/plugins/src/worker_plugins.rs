//! The plugins that take part in the worker's life: one instance each for as long as its version is in service.
//!
//! None of their hooks decides about a task, and none may keep the worker from its work: each plugin has a task of its own
//! that calls its hooks, and only a report of idleness is waited for, for a while. A hook that breaks takes its instance with
//! it, of which the other plugins hear as of any error that the worker survives; after a pause there is another instance,
//! until there were too many of them in too short a time (`budget`). Then the worker goes on without the plugin. A new version
//! takes over once it was started; until then, and where it can't be, the former one goes on.
//!
//! - `member` is a plugin as it is told something,
//! - `service` is the task that calls it,
//! - `hook` is what is called.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use self::{
    hook::Hook,
    member::{Member, Starting},
};
use crate::{answer::WorkerStatus, run::RunSettings, set::Loaded};

mod budget;
mod hook;
mod member;
mod service;

/// How long a change of the plugin directory waits for new versions to start. They may take longer, up to their limits, but the
/// worker works meanwhile.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// The plugins that serve the worker.
#[derive(Debug)]
pub(crate) struct WorkerPlugins {
    settings: RunSettings,
    roster: Arc<Mutex<Roster>>,
    /// Fires at the end of the worker.
    ending: CancellationToken,
}

/// One member for each worker plugin that should serve.
type Roster = Vec<Arc<Member>>;

/// A plugin that does not serve the worker, though it should.
#[derive(Clone, Debug)]
pub(crate) struct NotStarted {
    pub(crate) plugin: Arc<str>,
    pub(crate) why: String,
}

/// What a plugin's service knows of the other plugins.
#[derive(Clone, Debug)]
struct Peers(Weak<Mutex<Roster>>);

impl WorkerPlugins {
    pub(crate) fn new(settings: RunSettings) -> Self {
        Self {
            settings,
            roster: Arc::default(),
            ending: CancellationToken::new(),
        }
    }

    /// Starts the worker plugins, and answers which could not be started.
    pub(crate) async fn start(&self, plugins: &[Arc<Loaded>]) -> Vec<NotStarted> {
        let (starting, _none_before) = self.take_up(plugins);
        join_all(starting).await;
        self.members()
            .iter()
            .filter_map(|member| member.failed())
            .collect()
    }

    /// Says that the end has come: hooks under way then have the grace of an aborted run, those that begin none.
    /// [`shutdown`](Self::shutdown) follows.
    pub(crate) fn begin_shutdown(&self) {
        self.ending.cancel();
    }

    /// Starts the worker plugins among `plugins` that are new, ends the service of those that are not among them any more,
    /// and leaves the rest alone. Where a former version serves it goes on until the new one does.
    ///
    /// # Cancel safety
    /// May be dropped: the new ones go on starting.
    pub(crate) async fn update(&self, plugins: &[Arc<Loaded>]) {
        let (starting, ending) = self.take_up(plugins);
        let all = async {
            join_all(ending.iter().map(|member| member.discard())).await;
            join_all(starting).await;
        };
        if tokio::time::timeout(START_PATIENCE, all).await.is_err() {
            tracing::warn!("worker plugins take long to start or to end, the worker works meanwhile");
        }
    }

    /// Puts those that are new on the roster, and takes those off it that are to end.
    fn take_up(&self, plugins: &[Arc<Loaded>]) -> (Vec<Starting>, Vec<Arc<Member>>) {
        let peers = Peers(Arc::downgrade(&self.roster));
        let mut roster = lock(&self.roster);
        let (mut members, mut former): (Vec<_>, Vec<_>) = std::mem::take(&mut *roster)
            .into_iter()
            .partition(|member| plugins.iter().any(|loaded| Arc::ptr_eq(loaded, member.loaded())));
        let mut all_starting = Vec::new();
        for loaded in plugins {
            let is_known = members.iter().any(|member| Arc::ptr_eq(loaded, member.loaded()));
            if is_known || loaded.prepared.worker_hooks().is_none() {
                continue;
            }
            let predecessor = former
                .iter()
                .find(|member| member.loaded().name == loaded.name)
                .and_then(Member::in_service);
            let begun = Member::begin(loaded, predecessor.clone(), &self.settings, &self.ending, &peers);
            let Some((member, starting)) = begun else { continue };
            if let Some(predecessor) = predecessor {
                former.retain(|member| !Arc::ptr_eq(member, &predecessor));
            }
            members.push(member);
            all_starting.push(starting);
        }
        *roster = members;
        (all_starting, former)
    }

    /// The plugins that should serve the worker and no version of which does: they could not be started, or broke too often.
    pub(crate) fn absent(&self) -> Vec<NotStarted> {
        self.members()
            .iter()
            .filter_map(|member| member.absent())
            .collect()
    }

    /// Tells them that the worker is idle. Waits until all have heard it, but not for long.
    pub(crate) async fn report_idle(&self, status: WorkerStatus) {
        join_all(self.members().iter().map(|member| member.report_idle(status))).await;
    }

    /// Tells them how the worker fares. Waits for none.
    pub(crate) fn report_progress(&self, status: WorkerStatus) {
        self.tell(&Hook::Progress(status));
    }

    /// Tells them of an error that the worker survives. Waits for none.
    pub(crate) fn report_non_fatal_error(&self, message: &str) {
        self.tell(&Hook::NonFatalError(message.into()));
    }

    /// Ends the service of all. What waits for them is called within the grace of an aborted run.
    pub(crate) async fn shutdown(&self) {
        self.ending.cancel();
        let members = std::mem::take(&mut *lock(&self.roster));
        join_all(members.iter().map(|member| member.discard())).await;
    }

    fn members(&self) -> Vec<Arc<Member>> {
        lock(&self.roster).clone()
    }

    fn tell(&self, hook: &Hook) {
        for member in self.members() {
            member.post(hook, None);
        }
    }
}

impl Peers {
    /// Tells all but one something.
    fn tell_but(&self, one: &Arc<Loaded>, hook: &Hook) {
        let Some(roster) = self.0.upgrade() else { return };
        let members = lock(&roster).clone();
        for member in members {
            member.post(hook, Some(one));
        }
    }
}

fn lock(roster: &Mutex<Roster>) -> MutexGuard<'_, Roster> {
    roster.lock().unwrap_or_else(PoisonError::into_inner)
}
