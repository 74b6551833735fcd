//! Tasks and task groups in the database.

use chrono::{DateTime, Utc};
use queue::wire::{Priority, RunStatus, TaskState, TaskWithStatus};
use rusqlite::{OptionalExtension as _, Row, params};

use super::Db;
use crate::{
    error::{ApiError, Failure},
    task::{Change, Task, Worker},
};

/// A page ends when its definitions have this many bytes, however few they are.
pub(super) const PAGE_BYTES: usize = 16 << 20;

pub(super) const TASK: &str = "SELECT t.task_id, t.definition, s.retries_left, s.runs, t.seq \
                    FROM tasks t JOIN states s ON s.task_id = t.task_id ";

/// What can be claimed from a task queue, the most urgent first, then the oldest.
pub(super) const CLAIMABLE: &str = "WHERE s.task_queue_id = ?1 AND s.pending IS NOT NULL AND s.due > ?2 \
                                    ORDER BY s.priority, s.pending LIMIT ?3";

/// A page of the tasks of a group.
#[derive(Debug)]
pub(crate) struct GroupPage {
    /// These.
    pub(crate) tasks: Vec<TaskWithStatus>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<i64>,
}

impl Db<'_> {
    /// A task.
    pub(crate) fn task(&self, task_id: &str) -> Result<Option<Task>, Failure> {
        self.connection
            .prepare_cached(&format!("{TASK} WHERE t.task_id = ?1"))?
            .query_row([task_id], columns)
            .optional()?
            .map(into_task)
            .transpose()
    }

    /// A task's definition, as JSON.
    pub(crate) fn definition(&self, task_id: &str) -> Result<Option<String>, Failure> {
        Ok(self
            .connection
            .prepare_cached("SELECT definition FROM tasks WHERE task_id = ?1")?
            .query_row([task_id], |row| row.get(0))
            .optional()?)
    }

    /// Keeps a new task, in its group and with its dependencies. The same one again changes nothing.
    pub(crate) fn define(&self, mut task: Task, now: DateTime<Utc>) -> Result<Task, Failure> {
        if let Some(existing) = self.task(&task.task_id)? {
            if existing.definition == task.definition {
                return Ok(existing);
            }
            return Err(Failure::Refused(ApiError::conflict(format!(
                "taskId `{}` already used by another task.\nThis could be the result of faulty idempotency!",
                task.task_id
            ))));
        }
        let definition = &task.definition;
        self.join_group(definition)?;
        self.note_queue(&definition.task_queue_id, now)?;
        self.connection
            .prepare_cached(
                "INSERT INTO tasks (task_id, task_group_id, expires, definition) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                task.task_id,
                definition.task_group_id,
                definition.expires.timestamp_millis(),
                serde_json::to_string(definition)?
            ])?;
        self.connection
            .prepare_cached(
                "INSERT INTO states (task_id, task_queue_id, priority, retries_left, runs) VALUES (?1, ?2, ?3, ?4, '[]')",
            )?
            .execute(params![
                task.task_id,
                definition.task_queue_id,
                rank(definition.priority),
                task.retries_left
            ])?;
        if !self.depend(&task)? {
            // Its deadline is in the future, so this can't be refused.
            let _ = task.schedule(now);
        }
        self.save(&task, now)?;
        Ok(task)
    }

    /// Writes down what a transition has changed, and what follows from it: whoever waited for this task, and the index.
    pub(crate) fn save(&self, task: &Task, now: DateTime<Utc>) -> Result<(), Failure> {
        let definition = &task.definition;
        let pending = (task.state() == TaskState::Pending).then(|| self.next_pending());
        let taken_until = task.taken_until().map(|until| until.timestamp_millis());
        let started = task.runs.last().and_then(|run| run.started);
        let started = started.map(|started| started.timestamp_millis());
        let due = (!task.is_resolved()).then(|| definition.deadline.timestamp_millis());
        self.connection
            .prepare_cached(
                "UPDATE states SET retries_left = ?2, runs = ?3, pending = ?4, taken_until = ?5, started = ?6, due = ?7 \
                 WHERE task_id = ?1",
            )?
            .execute(params![
                task.task_id,
                task.retries_left,
                serde_json::to_string(&task.runs)?,
                pending,
                taken_until,
                taken_until.and(started),
                due
            ])?;
        if pending.is_some() {
            self.became_pending(&definition.task_queue_id);
        }
        for millis in [taken_until, due].into_iter().flatten() {
            self.due_at(millis);
        }
        if task.is_resolved() {
            self.release_dependents(task, now)?;
            self.index_completed(task, now)?;
        }
        Ok(())
    }

    /// Claims up to `count` pending tasks, the most urgent first, then the oldest. With each the number of its run.
    pub(crate) fn claim(
        &self,
        task_queue_id: &str,
        count: u32,
        worker: &Worker,
        (now, taken_until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<(Task, u32)>, Failure> {
        let tasks = self.tasks(CLAIMABLE, params![task_queue_id, now.timestamp_millis(), count])?;
        let mut claimed = Vec::with_capacity(tasks.len());
        for mut task in tasks {
            if let Ok(run_id) = task.claim(worker, now, taken_until) {
                self.save(&task, now)?;
                claimed.push((task, run_id));
            }
        }
        Ok(claimed)
    }

    /// How many tasks are pending in a task queue.
    pub(crate) fn count_pending(&self, task_queue_id: &str) -> Result<u64, Failure> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM states WHERE task_queue_id = ?1 AND pending IS NOT NULL")?
            .query_row([task_queue_id], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Resolves up to `limit` tasks and claims whose time has come. Answers how many.
    pub(crate) fn resolve_due(&self, now: DateTime<Utc>, limit: u32) -> Result<usize, Failure> {
        let over = self.tasks(
            "WHERE s.due <= ?1 ORDER BY s.due LIMIT ?2",
            params![now.timestamp_millis(), limit],
        )?;
        let mut resolved = over.len();
        for mut task in over {
            if task.exceed_deadline(now) == Change::Made {
                self.save(&task, now)?;
            }
        }
        let lost = self.tasks(
            "WHERE s.taken_until <= ?1 ORDER BY s.taken_until LIMIT ?2",
            params![now.timestamp_millis(), limit],
        )?;
        resolved += lost.len();
        for mut task in lost {
            if task.expire_claim(now) == Change::Made {
                self.save(&task, now)?;
            }
        }
        Ok(resolved)
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Result<Option<i64>, Failure> {
        let deadline: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(due) FROM states WHERE due IS NOT NULL")?
            .query_row([], |row| row.get(0))?;
        let claim: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(taken_until) FROM states WHERE taken_until IS NOT NULL")?
            .query_row([], |row| row.get(0))?;
        Ok(deadline.into_iter().chain(claim).min())
    }

    /// Tasks of a group in the order they were made, after the one with the number `after`.
    pub(crate) fn group_page(
        &self,
        task_group_id: &str,
        after: i64,
        limit: u32,
    ) -> Result<GroupPage, Failure> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{TASK} WHERE t.task_group_id = ?1 AND t.seq > ?2 ORDER BY t.seq"
        ))?;
        let mut rows = statement.query(params![task_group_id, after])?;
        page(&mut rows, limit)
    }

    pub(super) fn tasks(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Task>, Failure> {
        let rows = self.rows(&format!("{TASK} {condition}"), values, columns)?;
        rows.into_iter().map(into_task).collect()
    }
}

type Columns = (String, String, u32, String, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn into_task((task_id, definition, retries_left, runs, _): Columns) -> Result<Task, Failure> {
    Ok(Task {
        task_id,
        definition: serde_json::from_str(&definition)?,
        retries_left,
        runs: serde_json::from_str::<Vec<RunStatus>>(&runs)?,
    })
}

pub(super) fn page(rows: &mut rusqlite::Rows<'_>, limit: u32) -> Result<GroupPage, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut tasks = Vec::new();
    let (mut bytes, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if tasks.len() >= limit || bytes >= PAGE_BYTES {
            return Ok(GroupPage { tasks, next: last });
        }
        let columns = columns(row)?;
        bytes += columns.1.len();
        last = Some(columns.4);
        let task = into_task(columns)?;
        tasks.push(TaskWithStatus {
            status: task.status(),
            task: task.definition,
        });
    }
    Ok(GroupPage { tasks, next: None })
}

/// Smaller is more urgent.
fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::Highest => 0,
        Priority::VeryHigh => 1,
        Priority::High => 2,
        Priority::Medium => 3,
        Priority::Low => 4,
        Priority::VeryLow => 5,
        // Nobody can define a task with another.
        Priority::Lowest | Priority::Unknown => 6,
    }
}
