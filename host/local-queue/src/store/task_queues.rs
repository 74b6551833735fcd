//! Task queues in the database: which there are, and what waits and runs in each.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{Db, tasks::PAGE_BYTES};
use crate::{clock, error::Failure, task::Task};

/// A task queue that is used, or a provisioner, which is all task queues that begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskQueue {
    /// The first half of its name.
    pub(crate) provisioner_id: String,
    /// The other half.
    pub(crate) worker_type: String,
    /// When it is forgotten.
    pub(crate) expires: DateTime<Utc>,
    /// When it was used last.
    pub(crate) last_active: DateTime<Utc>,
}

/// A page of the tasks of a task queue.
#[derive(Debug)]
pub(crate) struct TaskPage {
    /// These.
    pub(crate) tasks: Vec<Task>,
    /// What the last of them is ordered by, if there are more: a number, and the taskId.
    pub(crate) next: Option<(i64, String)>,
}

const QUEUE: &str = "SELECT provisioner_id, worker_type, expires, last_active FROM task_queues ";
/// The running tasks of a task queue, the oldest claim first.
pub(super) const RUNNING: &str =
    "WHERE s.task_queue_id = ?1 AND s.started IS NOT NULL ORDER BY s.started, s.task_id";
/// A page of what waits in a task queue, in the order in which it came.
pub(super) const PENDING_PAGE: &str = "SELECT s.task_id, s.pending, octet_length(t.definition) FROM states s \
    JOIN tasks t ON t.task_id = s.task_id WHERE s.task_queue_id = ?1 AND s.pending IS NOT NULL AND s.pending > ?2 \
    ORDER BY s.pending LIMIT ?4";
/// A page of what runs. (The same parameters as above, so that both are read by one piece of code.)
pub(super) const RUNNING_PAGE: &str = "SELECT s.task_id, s.started, octet_length(t.definition) FROM states s \
    JOIN tasks t ON t.task_id = s.task_id WHERE s.task_queue_id = ?1 AND s.started IS NOT NULL \
    AND (s.started, s.task_id) > (?2, ?3) ORDER BY s.started, s.task_id LIMIT ?4";

impl Db<'_> {
    /// A task queue that is used.
    pub(crate) fn task_queue(
        &self,
        task_queue_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TaskQueue>, Failure> {
        let (provisioner_id, worker_type) = task_queue_id.split_once('/').unwrap_or_default();
        Ok(self
            .connection
            .prepare_cached(&format!(
                "{QUEUE} WHERE provisioner_id = ?1 AND worker_type = ?2 AND expires > ?3"
            ))?
            .query_row(
                params![provisioner_id, worker_type, now.timestamp_millis()],
                columns,
            )
            .optional()?)
    }

    /// Task queues after one; one more than a page has, if there are that many.
    pub(crate) fn task_queues_after(
        &self,
        (provisioner_id, worker_type): (&str, &str),
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskQueue>, Failure> {
        self.rows(
            &format!(
                "{QUEUE} WHERE (provisioner_id, worker_type) > (?1, ?2) AND expires > ?3 \
                 ORDER BY provisioner_id, worker_type LIMIT ?4"
            ),
            params![
                provisioner_id,
                worker_type,
                now.timestamp_millis(),
                i64::from(limit) + 1
            ],
            columns,
        )
    }

    /// Task queues of one provisioner, after a workerType; one more than a page has, if there are that many.
    pub(crate) fn worker_types_after(
        &self,
        (provisioner_id, after): (&str, &str),
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskQueue>, Failure> {
        self.rows(
            &format!(
                "{QUEUE} WHERE provisioner_id = ?1 AND worker_type > ?2 AND expires > ?3 \
                 ORDER BY worker_type LIMIT ?4"
            ),
            params![
                provisioner_id,
                after,
                now.timestamp_millis(),
                i64::from(limit) + 1
            ],
            columns,
        )
    }

    /// Provisioners after one, with no workerType; one more than a page has, if there are that many.
    pub(crate) fn provisioners_after(
        &self,
        after: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskQueue>, Failure> {
        self.rows(
            "SELECT provisioner_id, '', max(expires), max(last_active) FROM task_queues \
                 WHERE provisioner_id > ?1 AND expires > ?2 GROUP BY provisioner_id \
                 ORDER BY provisioner_id LIMIT ?3",
            params![after, now.timestamp_millis(), i64::from(limit) + 1],
            columns,
        )
    }

    /// A provisioner, with no workerType.
    pub(crate) fn provisioner(
        &self,
        provisioner_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TaskQueue>, Failure> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT provisioner_id, '', max(expires), max(last_active) FROM task_queues \
                 WHERE provisioner_id = ?1 AND expires > ?2 GROUP BY provisioner_id",
            )?
            .query_row(params![provisioner_id, now.timestamp_millis()], columns)
            .optional()?)
    }

    /// How many tasks are running in a task queue.
    pub(crate) fn count_running(&self, task_queue_id: &str) -> Result<u64, Failure> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM states WHERE task_queue_id = ?1 AND started IS NOT NULL")?
            .query_row([task_queue_id], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Tasks that wait in a task queue, after one, in the order in which they came.
    pub(crate) fn pending_page(
        &self,
        task_queue_id: &str,
        after: &(i64, String),
        limit: u32,
    ) -> Result<TaskPage, Failure> {
        self.task_page(PENDING_PAGE, (task_queue_id, after), limit)
    }

    /// Tasks that run in a task queue, after one, in the order in which they were claimed.
    pub(crate) fn running_page(
        &self,
        task_queue_id: &str,
        after: &(i64, String),
        limit: u32,
    ) -> Result<TaskPage, Failure> {
        self.task_page(RUNNING_PAGE, (task_queue_id, after), limit)
    }

    /// A page ends early where its definitions have many bytes.
    fn task_page(
        &self,
        query: &str,
        (task_queue_id, (number, task_id)): (&str, &(i64, String)),
        limit: u32,
    ) -> Result<TaskPage, Failure> {
        let found: Vec<(String, i64, i64)> = self.rows(
            query,
            params![task_queue_id, number, task_id, i64::from(limit) + 1],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut tasks, mut bytes, mut last) = (Vec::new(), 0_usize, None);
        for (task_id, number, length) in found {
            if tasks.len() >= limit || bytes >= PAGE_BYTES {
                return Ok(TaskPage { tasks, next: last });
            }
            bytes = bytes.saturating_add(usize::try_from(length).unwrap_or(PAGE_BYTES));
            tasks.extend(self.task(&task_id)?);
            last = Some((number, task_id));
        }
        Ok(TaskPage { tasks, next: None })
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<TaskQueue> {
    Ok(TaskQueue {
        provisioner_id: row.get(0)?,
        worker_type: row.get(1)?,
        expires: clock::from_millis(row.get(2)?),
        last_active: clock::from_millis(row.get(3)?),
    })
}
