//! Dependencies in the database: who waits for whom.

use chrono::{DateTime, Utc};
use queue::wire::{Requires, RunState, RunStatus, TaskState};
use rusqlite::{OptionalExtension as _, params};

use super::{
    Db,
    tasks::{GroupPage, TASK, page},
};
use crate::{
    clock,
    error::{ApiError, Failure},
    task::{Change, Task},
};

/// What a dependent wants to know of a task.
struct Outcome {
    expires: DateTime<Utc>,
    /// Of its last run.
    state: Option<RunState>,
}

impl Db<'_> {
    /// Tasks that depend on a task, in the order they were made.
    pub(crate) fn dependents_page(
        &self,
        task_id: &str,
        after: i64,
        limit: u32,
    ) -> Result<GroupPage, Failure> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{TASK} JOIN dependencies d ON d.dependent = t.task_id \
             WHERE d.required = ?1 AND t.seq > ?2 ORDER BY t.seq"
        ))?;
        let mut rows = statement.query(params![task_id, after])?;
        page(&mut rows, limit)
    }

    /// Writes down what a new task waits for. Answers whether it waits for anything.
    pub(super) fn depend(&self, task: &Task) -> Result<bool, Failure> {
        let definition = &task.definition;
        let any_outcome = definition.requires == Requires::AllResolved;
        let mut waits = false;
        let (mut missing, mut expiring) = (Vec::new(), Vec::new());
        for required in &definition.dependencies {
            let Some(Outcome { expires, state }) = self.outcome(required)? else {
                missing.push(required.as_str());
                continue;
            };
            if expires < definition.deadline {
                expiring.push(required.as_str());
            }
            let satisfied = match state {
                Some(RunState::Completed) => true,
                Some(RunState::Failed | RunState::Exception) => any_outcome,
                Some(RunState::Pending | RunState::Running | RunState::Unknown) | None => false,
            };
            waits |= !satisfied;
            self.connection
                .prepare_cached(
                    "INSERT INTO dependencies (dependent, required, any_outcome, satisfied) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![task.task_id, required, any_outcome, satisfied])?;
        }
        if missing.is_empty() && expiring.is_empty() {
            return Ok(waits);
        }
        Err(Failure::Refused(ApiError::input(bad_dependencies(
            &missing, &expiring,
        ))))
    }

    /// When a task expires, and the state of its last run.
    fn outcome(&self, task_id: &str) -> Result<Option<Outcome>, Failure> {
        let found: Option<(i64, String)> = self
            .connection
            .prepare_cached(
                "SELECT t.expires, s.runs FROM tasks t JOIN states s ON s.task_id = t.task_id WHERE t.task_id = ?1",
            )?
            .query_row([task_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        found
            .map(|(expires, runs)| {
                let runs: Vec<RunStatus> = serde_json::from_str(&runs)?;
                Ok(Outcome {
                    expires: clock::from_millis(expires),
                    state: runs.last().map(|run| run.state),
                })
            })
            .transpose()
    }

    /// Makes pending whoever waited for this task alone.
    pub(super) fn release_dependents(&self, task: &Task, now: DateTime<Utc>) -> Result<(), Failure> {
        let completed = task.state() == TaskState::Completed;
        let dependents: Vec<String> = self.rows(
            "UPDATE dependencies SET satisfied = 1 WHERE required = ?1 AND NOT satisfied \
                 AND (?2 OR any_outcome) \
                 RETURNING dependent",
            params![task.task_id, completed],
            |row| row.get(0),
        )?;
        for dependent in dependents {
            let waits: bool = self
                .connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM dependencies WHERE dependent = ?1 AND NOT satisfied)",
                )?
                .query_row([&dependent], |row| row.get(0))?;
            if waits {
                continue;
            }
            if let Some(mut dependent) = self.task(&dependent)?
                && dependent.schedule(now) == Ok(Change::Made)
            {
                self.save(&dependent, now)?;
            }
        }
        Ok(())
    }
}

fn bad_dependencies(missing: &[&str], expiring: &[&str]) -> String {
    let list = |ids: &[&str]| ids.iter().map(|id| format!(" * {id}\n")).collect::<String>();
    let mut message = String::new();
    if !missing.is_empty() {
        message += &format!(
            "`task.dependencies` references non-existing tasks:\n{}All taskIds in `task.dependencies` **must** exist \
             before the task is created.\n",
            list(missing)
        );
    }
    if !expiring.is_empty() {
        message += &format!(
            "`task.dependencies` references tasks that expire before `task.deadline`, this is not allowed, see tasks:\n\
             {}All taskIds in `task.dependencies` **must** have `task.expires` greater than the `deadline` for this task.\n",
            list(expiring)
        );
    }
    message
}
