//! What a commit wakes: long polls that wait for a pending task, and the timer, when something is due earlier than it thinks.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::Notify;

/// Above this many task queues, those that nobody waits for are forgotten.
const FORGET_ABOVE: usize = 64;

/// Shared by the store, which signals, and those who wait.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    queues: Mutex<HashMap<String, Arc<Notify>>>,
    due: Notify,
    /// When the timer will look next, in milliseconds after 1970.
    armed: AtomicI64,
}

/// What a commit has changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Task queues that have new pending tasks.
    pub(crate) pending: Vec<String>,
    /// The earliest of the new times at which something is due.
    pub(crate) due: Option<i64>,
    /// Whether clients or roles are others than before.
    pub(crate) access: bool,
}

impl Changes {
    /// Notes that something is due at `millis`.
    pub(crate) fn due_at(&mut self, millis: i64) {
        self.due = Some(self.due.map_or(millis, |due| due.min(millis)));
    }

    /// Takes over what another part of the same commit has changed.
    pub(crate) fn merge(&mut self, other: Self) {
        self.pending.extend(other.pending);
        self.access |= other.access;
        if let Some(millis) = other.due {
            self.due_at(millis);
        }
    }
}

impl Signals {
    /// The signal of a task queue: notified whenever tasks there have become pending.
    pub(crate) fn queue(&self, task_queue_id: &str) -> Arc<Notify> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() > FORGET_ABOVE {
            queues.retain(|_, signal| Arc::strong_count(signal) > 1);
        }
        Arc::clone(queues.entry(task_queue_id.to_owned()).or_default())
    }

    /// Wakes whom a commit concerns.
    pub(crate) fn committed(&self, changes: &Changes) {
        if !changes.pending.is_empty() {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            for signal in changes.pending.iter().filter_map(|id| queues.get(id)) {
                signal.notify_waiters();
            }
        }
        if changes
            .due
            .is_some_and(|due| due < self.armed.load(Ordering::SeqCst))
        {
            self.due.notify_one();
        }
    }

    /// From now on anything due wakes the timer. To be called before it asks the store for the next due time, so that
    /// nothing that is committed in between goes unnoticed.
    pub(crate) fn disarm(&self) {
        self.armed.store(i64::MAX, Ordering::SeqCst);
    }

    /// The timer will look again at `millis` by itself.
    pub(crate) fn arm(&self, millis: i64) {
        self.armed.store(millis, Ordering::SeqCst);
    }

    /// Returns once something is due earlier than armed for.
    ///
    /// # Cancel safety
    /// Nothing is lost: an unseen signal is kept for the next call.
    pub(crate) async fn due(&self) {
        self.due.notified().await;
    }

    /// How many wait for a task queue.
    #[cfg(test)]
    pub(crate) fn waiting(&self, task_queue_id: &str) -> usize {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues
            .get(task_queue_id)
            .map_or(0, |signal| Arc::strong_count(signal) - 1)
    }
}
