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

/// The worker's own life. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StopHandle {
    level: Arc<watch::Sender<Level>>,
}

impl StopHandle {
    /// The handle of a worker that is to go on.
    pub(crate) fn new() -> Self {
        Self {
            level: Arc::new(watch::Sender::new(Level::Running)),
        }
    }

    /// A handle of its own on a life that is over: what hangs on it ends at once.
    pub(crate) fn stopped() -> Self {
        Self {
            level: Arc::new(watch::Sender::new(Level::Now)),
        }
    }

    /// Asks the worker to claim nothing more and to end when the running tasks have ended. Does nothing where it was asked
    /// to stop before.
    pub(crate) fn graceful(&self, why: &str) {
        self.raise(Level::Graceful, why);
    }

    /// Asks the worker to abort the running tasks and to end.
    pub(crate) fn now(&self, why: &str) {
        self.raise(Level::Now, why);
    }

    /// How urgent it is now.
    pub(crate) fn level(&self) -> Level {
        *self.level.borrow()
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
        let _ = self.level.subscribe().wait_for(|current| *current >= level).await;
    }

    fn raise(&self, level: Level, why: &str) {
        let raised = self.level.send_if_modified(|current| {
            let rises = level > *current;
            *current = level.max(*current);
            rises
        });
        if raised {
            tracing::info!(?level, why, "the worker stops");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_level_rises_and_never_falls() {
        let stop = StopHandle::new();
        assert!(!stop.stopping());
        stop.graceful("a test");
        stop.requested().await;
        assert_eq!(stop.level(), Level::Graceful);
        stop.now("a test");
        stop.graceful("again");
        assert_eq!(stop.level(), Level::Now);
        stop.now_requested().await;
        stop.requested().await;
    }

    #[tokio::test]
    async fn all_who_wait_on_clones_are_woken() {
        let stop = StopHandle::new();
        let waiter = stop.clone();
        let waiting = tokio::spawn(async move { waiter.now_requested().await });
        stop.now("a test");
        waiting.await.unwrap();
    }
}
