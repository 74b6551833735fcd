//! The task that calls one plugin's hooks, one after the other, in the order in which they were posted.
//!
//! ```text
//! starting ──worker-started──► serving ──a hook breaks──► resting ──pause, worker-started──► serving
//!     └──it breaks or refuses──► failed ◄──no restart is left, or it refuses──┘
//! ```

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Peers,
    budget::Budget,
    hook::{Call, Hook},
    member::{Letter, Standing},
};
use crate::{
    contract::WorkerExport,
    hooks::{self, cut_error},
    instance::{Broken, Instance, Interruption},
    ports::{Lifecycle, WorkerInfo},
    set::Loaded,
    state::printable,
};

/// How many errors are kept for a plugin that is being started.
const MAX_KEPT: usize = 16;

/// What it takes to call a plugin.
pub(super) struct Seat {
    pub(super) loaded: Arc<Loaded>,
    pub(super) indices: Arc<dyn WorkerExport>,
    pub(super) instance: Instance,
    pub(super) worker: Arc<WorkerInfo>,
    pub(super) lifecycle: Arc<dyn Lifecycle>,
    /// Of every hook: fires when the plugin is to serve no longer.
    pub(super) interruption: Interruption,
}

/// The task.
pub(super) struct Service {
    seat: Seat,
    mailbox: mpsc::Receiver<Letter>,
    /// Errors that there were while the plugin was started, the oldest first.
    kept: VecDeque<Arc<str>>,
    budget: Budget,
    standing: Arc<Standing>,
    peers: Peers,
}

/// How a start ended.
enum Start {
    Serving,
    /// It says that it does not want to serve.
    Refused(String),
    Broken(Broken),
    /// It is to serve no longer.
    LetGo,
}

impl Seat {
    /// Makes the instance and tells it of the worker. The inner error is the plugin's own word.
    pub(super) async fn start(&self) -> Result<Result<(), String>, Broken> {
        let hook = Hook::Started {
            worker: hooks::worker_info(&self.worker),
            config: self.loaded.config.to_string(),
        };
        let lifecycle = Some(self.lifecycle.clone());
        self.instance
            .create(hook.name(), None, lifecycle, self.interruption.clone())
            .await?;
        self.call(hook).await
    }

    async fn call(&self, hook: Hook) -> Result<Result<(), String>, Broken> {
        let call = Call {
            hook,
            indices: self.indices.clone(),
        };
        self.instance.call(self.interruption.clone(), call).await
    }

    fn is_let_go(&self) -> bool {
        self.interruption.cancel.is_cancelled()
    }
}

impl Service {
    /// The service of a plugin that is to be started.
    pub(super) fn new(
        seat: Seat,
        mailbox: mpsc::Receiver<Letter>,
        standing: Arc<Standing>,
        peers: Peers,
    ) -> Self {
        Self {
            seat,
            mailbox,
            kept: VecDeque::new(),
            budget: Budget::default(),
            standing,
            peers,
        }
    }

    /// Starts the plugin and serves until it is let go or given up, then drops its instance. `told` hears that it was started,
    /// or won't be.
    pub(super) async fn run(mut self, told: oneshot::Sender<()>) {
        if self.begin(told).await {
            self.serve().await;
        }
        self.seat.instance.discard().await;
    }

    /// Starts the plugin for the first time, and lets its predecessor go. Answers whether it serves.
    async fn begin(&mut self, told: oneshot::Sender<()>) -> bool {
        let why = match self.start(Duration::ZERO).await {
            Start::Serving => {
                let predecessor = self.standing.serves();
                drop(told);
                if let Some(former) = predecessor {
                    former.retire().await;
                }
                return true;
            }
            Start::Refused(why) => why,
            Start::Broken(broken) => broken.to_string(),
            Start::LetGo => return false,
        };
        let former_version = match *self.standing.predecessor() {
            Some(_) => "stays in service",
            None => "there is none",
        };
        tracing::error!(
            plugin = &*self.seat.loaded.name,
            why,
            former_version,
            "a plugin could not be started"
        );
        self.standing.fails(why);
        // Only now: who waited asks why.
        drop(told);
        false
    }

    /// Calls what is posted, until the plugin is let go or given up.
    async fn serve(&mut self) {
        // What waits when the plugin is let go is called for so long.
        let mut last = None;
        while let Some(Letter { hook, heard }) = self.next().await {
            if self.seat.is_let_go() {
                let last = *last.get_or_insert_with(|| Instant::now() + self.seat.interruption.grace);
                if Instant::now() >= last {
                    break;
                }
            }
            // Nobody waits for it to hear this any more: what it says is of yesterday.
            if matches!(hook, Hook::Idle(_)) && heard.is_closed() {
                continue;
            }
            let called = self.seat.call(hook).await;
            drop(heard);
            if let Err(broken) = called
                && !self.recover(broken).await
            {
                break;
            }
        }
    }

    /// The next hook; none once there are no more and there will be none.
    async fn next(&mut self) -> Option<Letter> {
        if let Some(message) = self.kept.pop_front() {
            let (heard, _) = oneshot::channel();
            let hook = Hook::NonFatalError(message);
            return Some(Letter { hook, heard });
        }
        receive(&mut self.mailbox, &self.seat).await
    }

    /// After a hook has taken the instance with it: starts the plugin again, and again, while it may be. Answers whether it
    /// serves.
    async fn recover(&mut self, mut broken: Broken) -> bool {
        let plugin = self.seat.loaded.name.clone();
        loop {
            if self.seat.is_let_go() {
                tracing::info!(plugin = &*plugin, %broken, "a worker plugin broke at the end of its service");
                return false;
            }
            let message = format!("worker plugin {plugin}: {broken}");
            self.peers
                .tell_but(&self.seat.loaded, &Hook::NonFatalError(message.into()));
            let Some(pause) = self.budget.broke(Instant::now()) else {
                tracing::error!(
                    plugin = &*plugin,
                    %broken,
                    "a worker plugin broke too often, the worker goes on without it"
                );
                return self.give_up(broken.to_string());
            };
            tracing::error!(plugin = &*plugin, %broken, ?pause, "a worker plugin broke, it is started again");
            broken = match self.start(pause).await {
                Start::Serving => {
                    tracing::info!(plugin = &*plugin, "a worker plugin serves again");
                    return true;
                }
                Start::Refused(why) => {
                    tracing::error!(
                        plugin = &*plugin,
                        why,
                        "a worker plugin does not want to be started again, the worker goes on without it"
                    );
                    return self.give_up(why);
                }
                Start::Broken(broken) => broken,
                Start::LetGo => return false,
            };
        }
    }

    /// Starts the plugin after a pause. Who posts it something meanwhile does not wait; errors are kept for it.
    async fn start(&mut self, pause: Duration) -> Start {
        let Self {
            seat, mailbox, kept, ..
        } = self;
        let started = async {
            tokio::time::sleep(pause).await;
            seat.start().await
        };
        tokio::pin!(started);
        loop {
            let letter = tokio::select! {
                biased;
                started = &mut started => return match started {
                    Ok(Ok(())) => Start::Serving,
                    // It goes to logs, to worker-manager and to the tasks that are given back.
                    Ok(Err(why)) => Start::Refused(printable(&cut_error(why)).into_owned()),
                    Err(broken) => Start::Broken(broken),
                },
                letter = receive(mailbox, seat) => letter,
            };
            match letter {
                None => return Start::LetGo,
                Some(Letter {
                    hook: Hook::NonFatalError(message),
                    ..
                }) => {
                    if kept.len() >= MAX_KEPT {
                        kept.pop_front();
                    }
                    kept.push_back(message);
                }
                Some(Letter {
                    hook: Hook::Started { .. } | Hook::Idle(_) | Hook::Progress(_),
                    ..
                }) => {}
            }
        }
    }

    fn give_up(&self, why: String) -> bool {
        self.standing.fails(why);
        false
    }
}

/// The next letter. Once the plugin is let go no more are taken in, and those that wait are the last.
async fn receive(mailbox: &mut mpsc::Receiver<Letter>, seat: &Seat) -> Option<Letter> {
    if !mailbox.is_closed() {
        tokio::select! {
            biased;
            () = seat.interruption.cancel.cancelled() => mailbox.close(),
            letter = mailbox.recv() => return letter,
        }
    }
    mailbox.recv().await
}
