//! The one task that keeps the plugins up to date: it hears of changes in the directory, loads what is new in the
//! background, and publishes what is in service.
//!
//! ```text
//! resting ──a change, a request, the clock──► round: list, load ──all is loaded, or patience is over──► publish ──► resting
//!    └──a load that took longer is over──► publish ──► resting
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use engine_api::chain;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    announce::announce,
    assemble::Rules,
    directory::Stamps,
    loader::Purpose,
    machine::Machine,
    ports::PayloadSchemas,
    quarantine::assemble_without,
    run::RunSettings,
    scan::{BETWEEN_LOOKS, Files},
    set::PluginSet,
    watch::Watch,
    worker_plugins::WorkerPlugins,
};

mod loads;

use loads::Loads;

/// How many may ask for a round at one time without waiting for their turn.
const REQUESTS: usize = 16;

/// How fast changes are taken up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How often the directory is looked at where nothing has been heard of it.
    pub(crate) poll: Duration,
    /// How long runs wait for a file that is new, before they begin without it.
    pub(crate) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(10),
            patience: Duration::from_secs(10),
        }
    }
}

/// What loading and serving takes.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) machine: Arc<Machine>,
    pub(crate) worker_plugins: Arc<WorkerPlugins>,
    pub(crate) settings: RunSettings,
    pub(crate) schemas: Arc<dyn PayloadSchemas>,
    pub(crate) pace: Pace,
}

/// What is in service.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) set: Arc<PluginSet>,
    /// The generation of faults that the set goes by.
    pub(crate) generation: u64,
    /// The files that need no other look while they have these stamps: what came of them is in the set, or they are being
    /// loaded. None before the first look.
    seen: Option<BTreeMap<String, Stamps>>,
}

/// The task, from outside.
#[derive(Debug)]
pub(crate) struct Updater {
    parts: Parts,
    requests: mpsc::Sender<oneshot::Sender<()>>,
    published: watch::Receiver<Published>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The task's own.
struct Keeping {
    parts: Parts,
    files: Files,
    loads: Loads,
    /// Whether what is known of files has changed since the set was put together.
    is_changed: bool,
    published: watch::Sender<Published>,
    /// None where the kernel gives no watch.
    watch: Option<Watch>,
    /// Why the directory could not be read the last time, so that it is said once.
    trouble: Option<String>,
}

impl Updater {
    /// Starts the task with what is known of the files. Nothing is seen yet: it looks at once.
    pub(crate) fn start(
        parts: Parts,
        files: Files,
        (set, generation): (Arc<PluginSet>, u64),
        runtime: &Handle,
    ) -> Self {
        let (published, receiver) = watch::channel(Published {
            set,
            generation,
            seen: None,
        });
        let (requests, requested) = mpsc::channel(REQUESTS);
        let stop = CancellationToken::new();
        let keeping = Keeping {
            parts: parts.clone(),
            files,
            loads: Loads::default(),
            is_changed: false,
            published,
            watch: None,
            trouble: None,
        };
        let task = runtime.spawn(keeping.run(requested, stop.clone()));
        Self {
            parts,
            requests,
            published: receiver,
            stop,
            task: Mutex::new(Some(task)),
        }
    }

    /// What is in service, changes of this moment included if they do not take long.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn current(&self) -> Arc<PluginSet> {
        if !self.is_current().await {
            self.round().await;
        }
        self.published.borrow().set.clone()
    }

    async fn is_current(&self) -> bool {
        let listing = self.parts.machine.list(Purpose::Load).await;
        let published = self.published.borrow();
        let generation = self.parts.settings.accounts.faults().generation();
        published.generation == generation
            && listing.is_ok_and(|listing| Some(listing.files) == published.seen)
    }

    /// Asks for a round, and waits for its end: not for longer than anybody has patience.
    async fn round(&self) {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            if self.requests.send(answer).await.is_ok() {
                // It is dropped when the task ends.
                let _ = answered.await;
            } else if !self.stop.is_cancelled() {
                tracing::error!("the task that keeps the plugins up to date is gone, they stay as they are");
            }
        };
        if timeout(self.parts.pace.patience, asked).await.is_err() {
            tracing::warn!("changed plugins take long to be taken up, going on with the former ones");
        }
    }

    /// What is in service, to be waited for.
    #[cfg(test)]
    pub(crate) fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Ends the task, and the loads under way.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that keeps the plugins up to date broke");
        }
    }
}

impl Keeping {
    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<()>>, stop: CancellationToken) {
        match Watch::new() {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => unwatched(&error),
        }
        // What has changed since the files were loaded, and before the directory was watched.
        self.round(&stop).await;
        let mut waiting = Vec::new();
        while !stop.is_cancelled() {
            let pause = if self.is_any_moving() {
                BETWEEN_LOOKS
            } else {
                self.parts.pace.poll
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                request = requests.recv() => match request {
                    Some(request) => waiting.push(request),
                    None => break,
                },
                Some(load) = self.loads.next() => {
                    self.is_changed |= load.enter(&mut self.files);
                    self.publish().await;
                    continue;
                }
                heard = changed(self.watch.as_ref()) => if let Err(error) = heard {
                    unwatched(&error);
                    self.watch = None;
                },
                () = sleep(pause) => {}
            }
            while let Ok(request) = requests.try_recv() {
                waiting.push(request);
            }
            self.round(&stop).await;
            // All of them were there before it began.
            for request in waiting.drain(..) {
                let _ = request.send(());
            }
        }
        self.loads.shutdown().await;
    }

    /// Looks at the directory, loads what is new, and publishes what there is when that is over or takes too long.
    async fn round(&mut self, stop: &CancellationToken) {
        let directory = self.parts.machine.config().directory.clone();
        if let Some(watch) = &mut self.watch
            && let Err(error) = watch.point_at(&directory)
        {
            tracing::debug!(%error, "the plugin directory can't be watched now");
        }
        match self.parts.machine.list(Purpose::Load).await {
            Ok(listing) => {
                self.trouble = None;
                let known = self.files.len();
                self.files.retain(|file, _| listing.files.contains_key(file));
                self.is_changed |= self.files.len() != known;
                self.loads.begin(&self.parts.machine, &listing, &self.files);
            }
            Err(error) => self.say_trouble(chain(&error)),
        }
        while let Some(begun) = self.loads.newest() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(load) = self.loads.next() => self.is_changed |= load.enter(&mut self.files),
                () = sleep_until(begun + self.parts.pace.patience) => break,
            }
        }
        self.publish().await;
    }

    fn say_trouble(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(
                trouble,
                "the plugin directory can't be read, the plugins stay as they are"
            );
            self.trouble = Some(trouble);
        }
    }

    /// Puts together what is in service, if that may have changed, and says so.
    async fn publish(&mut self) {
        let faults = self.parts.settings.accounts.faults();
        let generation = faults.generation();
        let seen = Some(self.seen());
        let former = self.published.borrow().clone();
        if !self.is_changed && former.generation == generation {
            self.published.send_modify(|published| published.seen = seen);
            return;
        }
        self.is_changed = false;
        let config = self.parts.machine.config();
        let rules = Rules {
            config,
            schemas: &*self.parts.schemas,
        };
        let outcomes = self
            .files
            .iter()
            .map(|(file, known)| (file.clone(), known.outcome.clone()));
        let assembled = assemble_without(faults, outcomes.collect(), &former.set.plugins, &rules);
        announce(&assembled, &former.set.reports);
        let set = Arc::new(PluginSet::new(assembled, config, self.parts.settings.clone()));
        self.published.send_replace(Published {
            set: set.clone(),
            generation,
            seen,
        });
        // What can't be started is logged there: the worker does not end for a file that changed.
        self.parts.worker_plugins.update(&set.plugins).await;
    }

    fn seen(&self) -> BTreeMap<String, Stamps> {
        let known = self.files.iter().filter(|(_, known)| known.is(&known.stamps));
        let known = known.map(|(file, known)| (file.clone(), known.stamps));
        // What is being loaded has newer ones.
        known.chain(self.loads.stamps()).collect()
    }

    fn is_any_moving(&self) -> bool {
        self.files.values().any(|known| known.outcome.is_of_motion())
    }
}

/// Waits for a change; for ever where there is no watch.
async fn changed(watch: Option<&Watch>) -> std::io::Result<()> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

fn unwatched(error: &std::io::Error) {
    tracing::warn!(%error, "the plugin directory can't be watched, and is only looked at now and then");
}
