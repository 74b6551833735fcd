//! How the worker ends: a level that only rises, shared by signals, plugins, the claim loop and the runs.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgent it is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Not at all.
    Running,
    /// Claim nothing more, end when the running tasks have ended.
    Graceful,
    /// Abort the running tasks with `worker-shutdown`, then end.
    Now,
}

/// Why the worker ends. Which exit code that comes to is the command line's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A person at the terminal (SIGINT).
    Interrupted,
    /// The system, or a service manager (SIGTERM).
    Terminated,
    /// It has claimed as many tasks as it was to.
    TaskLimit,
    /// It has had nothing to do for too long.
    Idle,
    /// Worker-manager says that it is one too many.
    WorkerManager,
    /// worker-runner says so.
    Runner,
    /// Its credentials end and can't be renewed.
    CredentialsEnd,
    /// A plugin says so.
    Plugin,
    /// Its places are lost to processes that could not be ended.
    Trouble,
    /// Something in it is broken.
    Internal,
}

/// The worker's own life. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StopHandle {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    level: Level,
    /// Of the first who asked.
    reason: Option<Reason>,
}

impl StopHandle {
    /// The handle of a worker that is to go on.
    pub(crate) fn new() -> Self {
        Self::at(Level::Running)
    }

    /// A handle of its own on a life that is over: what hangs on it ends at once.
    pub(crate) fn stopped() -> Self {
        Self::at(Level::Now)
    }

    fn at(level: Level) -> Self {
        let state = State { level, reason: None };
        Self {
            state: Arc::new(watch::Sender::new(state)),
        }
    }

    /// Asks the worker to claim nothing more and to end when the running tasks have ended. Does nothing where it was asked
    /// to stop before.
    pub(crate) fn graceful(&self, reason: Reason, why: &str) {
        self.raise(Level::Graceful, reason, why);
    }

    /// Asks the worker to abort the running tasks and to end.
    pub(crate) fn now(&self, reason: Reason, why: &str) {
        self.raise(Level::Now, reason, why);
    }

    /// Why the worker was first asked to stop; none while it was not.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.state.borrow().reason
    }

    /// How urgent it is now.
    pub(crate) fn level(&self) -> Level {
        self.state.borrow().level
    }

    /// Whether the worker was asked to stop, however urgently.
    pub(crate) fn stopping(&self) -> bool {
        self.level() > Level::Running
    }

    /// Answers once the worker was asked to stop, however urgently.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn requested(&self) {
        self.reached(Level::Graceful).await;
    }

    /// Answers once the worker was asked to stop now.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn now_requested(&self) {
        self.reached(Level::Now).await;
    }

    async fn reached(&self, level: Level) {
        // The sender lives as long as `self` is borrowed, so that this can't end for want of one.
        let _ = self
            .state
            .subscribe()
            .wait_for(|current| current.level >= level)
            .await;
    }

    fn raise(&self, level: Level, reason: Reason, why: &str) {
        let raised = self.state.send_if_modified(|current| {
            let rises = level > current.level;
            if rises {
                current.level = level;
                current.reason.get_or_insert(reason);
            }
            rises
        });
        if raised {
            tracing::info!(?level, ?reason, why, "the worker stops");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_level_rises_and_never_falls_and_the_first_reason_stays() {
        let stop = StopHandle::new();
        assert!(!stop.stopping());
        assert_eq!(stop.reason(), None);
        stop.graceful(Reason::Idle, "a test");
        stop.requested().await;
        assert_eq!(stop.level(), Level::Graceful);
        stop.now(Reason::Terminated, "a test");
        stop.graceful(Reason::TaskLimit, "again");
        assert_eq!((stop.level(), stop.reason()), (Level::Now, Some(Reason::Idle)));
        stop.now_requested().await;
        stop.requested().await;
    }

    #[tokio::test]
    async fn all_who_wait_on_clones_are_woken() {
        let stop = StopHandle::new();
        let waiter = stop.clone();
        let waiting = tokio::spawn(async move { waiter.now_requested().await });
        stop.now(Reason::Interrupted, "a test");
        waiting.await.unwrap();
    }
}
