//! What a request can do in the database's thread.

use std::cell::{Cell, RefCell};

use rusqlite::{Connection, Params, Row};

use crate::{error::Failure, signals::Changes};

/// The database, within one request. `store::tasks` and `store::artifacts` have what it can do.
#[derive(Debug)]
pub(crate) struct Db<'a> {
    pub(super) connection: &'a Connection,
    counter: &'a Cell<i64>,
    changes: RefCell<Changes>,
}

impl<'a> Db<'a> {
    pub(super) fn new(connection: &'a Connection, counter: &'a Cell<i64>) -> Self {
        Self {
            connection,
            counter,
            changes: RefCell::default(),
        }
    }

    /// All rows of a query, each read by `read`.
    pub(super) fn rows<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = self.connection.prepare_cached(query)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the request has changed that others wait for.
    pub(super) fn into_changes(self) -> Changes {
        self.changes.into_inner()
    }

    /// A number greater than any before.
    pub(super) fn next_pending(&self) -> i64 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    pub(super) fn became_pending(&self, task_queue_id: &str) {
        self.changes.borrow_mut().pending.push(task_queue_id.to_owned());
    }

    /// A client or a role is not what it was.
    pub(super) fn access_changed(&self) {
        self.changes.borrow_mut().access = true;
    }

    pub(super) fn due_at(&self, millis: i64) {
        self.changes.borrow_mut().due_at(millis);
    }
}
