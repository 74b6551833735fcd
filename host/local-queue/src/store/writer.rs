//! The thread that owns the connection.

use std::{cell::Cell, sync::Arc};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{Answer, Db, Done, Job, Outcome, open::read_access};
use crate::{
    auth::Clients,
    lock::DirectoryLock,
    signals::{Changes, Signals},
};

/// Why nothing of a group is kept.
type CommitError = Box<dyn std::error::Error + Send + Sync>;

/// At most this many requests share a commit.
const GROUP: usize = 256;

/// What the thread owns. The lock is given back last, when the connection is closed.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) signals: Arc<Signals>,
    /// Get to know of clients and roles that have changed.
    pub(super) clients: Arc<Clients>,
    /// Orders pending tasks: the last number given.
    pub(super) counter: Cell<i64>,
    pub(super) lock: DirectoryLock,
}

impl Writer {
    /// Works until nobody can ask any more.
    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(job) = jobs.blocking_recv() {
            group.push(job);
            while group.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.work_off(group.drain(..));
        }
        let Self { connection, lock, .. } = self;
        if let Err((_, error)) = connection.close() {
            tracing::error!(%error, "the database could not be closed");
        }
        drop(lock);
    }

    /// One commit for all. If anything but a request itself fails, nothing of the group is kept.
    fn work_off(&self, group: impl Iterator<Item = Job>) {
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            tracing::error!(%error, "a transaction can't begin");
            // Dropped, requests answer by themselves that they were not done.
            group.for_each(drop);
            return;
        }
        let mut changes = Changes::default();
        let mut answers = Vec::new();
        let mut result: rusqlite::Result<()> = Ok(());
        for job in group {
            if result.is_err() {
                break;
            }
            match self.work(job) {
                Ok((answer, changed)) => {
                    answers.push(answer);
                    changes.merge(changed);
                }
                Err(error) => result = Err(error),
            }
        }
        let error = self
            .commit(result, &changes)
            .err()
            .map(|error| self.roll_back(&error));
        if error.is_none() {
            self.signals.committed(&changes);
        }
        for answer in answers {
            answer(error.clone());
        }
    }

    /// Commits, if all went well. Clients and roles that have changed are read before, so that they hold as soon as they are
    /// on disk.
    fn commit(&self, result: rusqlite::Result<()>, changes: &Changes) -> Result<(), CommitError> {
        result?;
        let access = changes
            .access
            .then(|| read_access(&self.connection))
            .transpose()?;
        self.connection.execute_batch("COMMIT")?;
        if let Some((clients, roles)) = access {
            self.clients.replace(clients, roles);
        }
        Ok(())
    }

    /// One request, undone alone if it fails.
    fn work(&self, job: Job) -> rusqlite::Result<(Answer, Changes)> {
        self.connection.execute_batch("SAVEPOINT job")?;
        let db = Db::new(&self.connection, &self.counter);
        let Done { outcome, answer } = job(&db);
        let changes = match outcome {
            Outcome::Keep => {
                self.connection.execute_batch("RELEASE job")?;
                db.into_changes()
            }
            Outcome::Undo => {
                self.connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
                Changes::default()
            }
        };
        Ok((answer, changes))
    }

    fn roll_back(&self, error: &CommitError) -> String {
        tracing::error!(%error, "a commit failed");
        // SQLite has done so by itself after some errors.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a rollback failed");
        }
        error.to_string()
    }
}
