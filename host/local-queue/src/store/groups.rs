//! Task groups in the database.

use chrono::{DateTime, Utc};
use queue::wire::{TaskDefinition, timestamp};
use rusqlite::{OptionalExtension as _, params};

use super::Db;
use crate::{
    clock,
    error::{ApiError, Failure},
    task::Change,
};

/// A task group.
#[derive(Debug)]
pub(crate) struct TaskGroup {
    /// Whose tasks it holds.
    pub(crate) scheduler_id: String,
    /// When the last of them expires.
    pub(crate) expires: DateTime<Utc>,
    /// Since when no more tasks can be added.
    pub(crate) sealed: Option<DateTime<Utc>>,
}

/// Some tasks of a group, canceled.
#[derive(Debug)]
pub(crate) struct Canceled {
    /// Those that were not resolved before.
    pub(crate) task_ids: Vec<String>,
    /// The number of the last that was looked at, if there are more.
    pub(crate) next: Option<i64>,
}

/// The tasks of a group that can be canceled.
pub(super) const CANCELABLE: &str = "SELECT t.seq, t.task_id FROM tasks t JOIN states s ON s.task_id = t.task_id \
    WHERE t.task_group_id = ?1 AND t.seq > ?2 AND s.due >= ?3 ORDER BY t.seq LIMIT ?4";

impl Db<'_> {
    /// A task group.
    pub(crate) fn group(&self, task_group_id: &str) -> Result<Option<TaskGroup>, Failure> {
        Ok(self
            .connection
            .prepare_cached("SELECT scheduler_id, expires, sealed FROM task_groups WHERE task_group_id = ?1")?
            .query_row([task_group_id], |row| {
                Ok(TaskGroup {
                    scheduler_id: row.get(0)?,
                    expires: clock::from_millis(row.get(1)?),
                    sealed: row.get::<_, Option<i64>>(2)?.map(clock::from_millis),
                })
            })
            .optional()?)
    }

    /// All tasks of a group have one scheduler; the group lasts as long as any of them. None joins a group that is sealed.
    pub(super) fn join_group(&self, definition: &TaskDefinition) -> Result<(), Failure> {
        let (scheduler_id, sealed): (String, Option<i64>) = self
            .connection
            .prepare_cached(
                "INSERT INTO task_groups (task_group_id, scheduler_id, expires) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (task_group_id) DO UPDATE SET expires = max(expires, excluded.expires) \
                 RETURNING scheduler_id, sealed",
            )?
            .query_row(
                params![
                    definition.task_group_id,
                    definition.scheduler_id,
                    definition.expires.timestamp_millis()
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        if let Some(sealed) = sealed {
            return Err(ApiError::conflict(format!(
                "Task group `{}` is sealed since {}. It is not possible to add new tasks to it.",
                definition.task_group_id,
                timestamp::format(&clock::from_millis(sealed))
            ))
            .into());
        }
        if scheduler_id == definition.scheduler_id {
            return Ok(());
        }
        Err(Failure::Refused(ApiError::conflict(format!(
            "Task group `{}` contains tasks with a schedulerId other than `{}`. All tasks in the same task-group must \
             have the same schedulerId.",
            definition.task_group_id, definition.scheduler_id
        ))))
    }

    /// Seals a group, once and for all.
    pub(crate) fn seal_group(&self, task_group_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        self.connection
            .prepare_cached("UPDATE task_groups SET sealed = ?2 WHERE task_group_id = ?1 AND sealed IS NULL")?
            .execute(params![task_group_id, now.timestamp_millis()])?;
        Ok(())
    }

    /// The projects of a group's tasks. Reads all of them.
    pub(crate) fn projects_of_group(&self, task_group_id: &str) -> Result<Vec<String>, Failure> {
        self.rows(
            "SELECT DISTINCT json_extract(definition, '$.projectId') FROM tasks WHERE task_group_id = ?1",
            [task_group_id],
            |row| row.get(0),
        )
    }

    /// How many tasks a group has.
    pub(crate) fn group_size(&self, task_group_id: &str) -> Result<u64, Failure> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM tasks WHERE task_group_id = ?1")?
            .query_row([task_group_id], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Cancels up to `limit` unresolved tasks of a group, after the one with the number `after`.
    pub(crate) fn cancel_some_of_group(
        &self,
        task_group_id: &str,
        after: i64,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Canceled, Failure> {
        let found: Vec<(i64, String)> = self.rows(
            CANCELABLE,
            params![task_group_id, after, now.timestamp_millis(), limit],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let is_full = found.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next = found.last().filter(|_| is_full).map(|(seq, _)| *seq);
        let mut task_ids = Vec::new();
        for (_, task_id) in found {
            if let Some(mut task) = self.task(&task_id)?
                && task.cancel(now) == Ok(Change::Made)
            {
                self.save(&task, now)?;
                task_ids.push(task_id);
            }
        }
        Ok(Canceled { task_ids, next })
    }
}
