//! What the queue has seen: task queues that were used, workers that have claimed or were declared, and their quarantine.
//!
//! It is written down now and then, not at every call: times may be too early by [`PRECISION`].

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, ToSql, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Db;
use crate::{clock, error::Failure, task::Worker};

/// By how much the time may be too early at which something was seen last.
const PRECISION: TimeDelta = TimeDelta::minutes(30);
/// For how long a worker that is not seen any more is remembered.
const WORKER_LASTS: TimeDelta = TimeDelta::days(1);
/// The same of a task queue.
const QUEUE_LASTS: TimeDelta = TimeDelta::days(5);
/// How many of its tasks a worker is remembered for.
const RECENT_TASKS: usize = 20;
/// How many quarantines of a worker are remembered.
const QUARANTINES: usize = 100;

/// A run that a worker has claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecentTask {
    /// The task.
    pub(crate) task_id: String,
    /// Which of its runs.
    pub(crate) run_id: u32,
}

/// A worker that the queue knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenWorker {
    /// Where it claims.
    pub(crate) task_queue_id: String,
    /// Its workerGroup.
    pub(crate) worker_group: String,
    /// Its workerId.
    pub(crate) worker_id: String,
    /// When it is forgotten.
    pub(crate) expires: DateTime<Utc>,
    /// When it was seen first.
    pub(crate) first_claim: DateTime<Utc>,
    /// When it was seen last.
    pub(crate) last_active: DateTime<Utc>,
    /// What it has claimed, the latest last.
    pub(crate) recent_tasks: Vec<RecentTask>,
    /// Until when it is given nothing; 1970 if it never was in quarantine.
    pub(crate) quarantine_until: DateTime<Utc>,
    /// Who has put it there, when, until when and why, the latest last.
    pub(crate) quarantine_details: Vec<Value>,
    /// What worker-manager says of it: provider, state and capacity.
    pub(crate) managed: Option<(String, String, u32)>,
}

/// Whether a worker is given tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is.
    Free,
    /// Not for now.
    Quarantined,
}

/// Which workers of a task queue are asked for.
#[derive(Clone, Debug)]
pub(crate) struct SeenQuery {
    /// Of this task queue.
    pub(crate) task_queue_id: String,
    /// Only those that are in quarantine, or only those that are not.
    pub(crate) quarantined: Option<bool>,
    /// Only those that worker-manager has in this state.
    pub(crate) state: Option<String>,
    /// Those after this workerGroup and workerId.
    pub(crate) after: (String, String),
    /// A page has so many.
    pub(crate) limit: u32,
}

const WORKER: &str = "SELECT s.task_queue_id, s.worker_group, s.worker_id, s.expires, s.first_claim, s.last_active, \
                      s.recent_tasks, s.quarantine_until, s.quarantine_details, w.provider_id, w.state, w.capacity \
                      FROM seen_workers s LEFT JOIN workers w ON w.worker_pool_id = s.task_queue_id \
                      AND w.worker_group = s.worker_group AND w.worker_id = s.worker_id ";
/// Finds the standing of a worker: this is asked with every claim.
pub(super) const STANDING: &str = "SELECT last_active, quarantine_until FROM seen_workers \
                                   WHERE task_queue_id = ?1 AND worker_group = ?2 AND worker_id = ?3";

impl Db<'_> {
    /// Notes that a worker is there. Answers whether it is given tasks.
    pub(crate) fn note_worker(
        &self,
        task_queue_id: &str,
        worker: &Worker,
        now: DateTime<Utc>,
    ) -> Result<Standing, Failure> {
        let known: Option<(i64, i64)> = self
            .connection
            .prepare_cached(STANDING)?
            .query_row([task_queue_id, &worker.group, &worker.id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let millis = now.timestamp_millis();
        if known.is_none_or(|(seen, _)| seen <= millis.saturating_sub(PRECISION.num_milliseconds())) {
            self.note_queue(task_queue_id, now)?;
            self.connection
                .prepare_cached(
                    "INSERT INTO seen_workers (task_queue_id, worker_group, worker_id, expires, first_claim, last_active) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO UPDATE SET \
                     expires = max(expires, excluded.expires), last_active = excluded.last_active",
                )?
                .execute(params![
                    task_queue_id,
                    worker.group,
                    worker.id,
                    (now + WORKER_LASTS).timestamp_millis(),
                    millis
                ])?;
        }
        Ok(match known {
            Some((_, until)) if until > millis => Standing::Quarantined,
            Some(_) | None => Standing::Free,
        })
    }

    /// Notes what a worker, which is known, has claimed.
    pub(crate) fn note_claims(
        &self,
        task_queue_id: &str,
        worker: &Worker,
        claimed: impl Iterator<Item = RecentTask>,
    ) -> Result<(), Failure> {
        let mut claimed = claimed.peekable();
        if claimed.peek().is_none() {
            return Ok(());
        }
        let key: &[&dyn ToSql] = params![task_queue_id, worker.group, worker.id];
        let known: String = self
            .connection
            .prepare_cached(
                "SELECT recent_tasks FROM seen_workers \
                 WHERE task_queue_id = ?1 AND worker_group = ?2 AND worker_id = ?3",
            )?
            .query_row(key, |row| row.get(0))?;
        let mut recent: Vec<RecentTask> = serde_json::from_str(&known)?;
        recent.extend(claimed);
        recent.drain(..recent.len().saturating_sub(RECENT_TASKS));
        self.connection
            .prepare_cached(
                "UPDATE seen_workers SET recent_tasks = ?4 \
                 WHERE task_queue_id = ?1 AND worker_group = ?2 AND worker_id = ?3",
            )?
            .execute(params![
                task_queue_id,
                worker.group,
                worker.id,
                serde_json::to_string(&recent)?
            ])?;
        Ok(())
    }

    /// Notes that a task queue is used.
    pub(crate) fn note_queue(&self, task_queue_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        let (provisioner_id, worker_type) = task_queue_id.split_once('/').unwrap_or_default();
        self.connection
            .prepare_cached(
                "INSERT INTO task_queues (provisioner_id, worker_type, expires, last_active) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET expires = excluded.expires, last_active = excluded.last_active \
                 WHERE last_active <= ?5",
            )?
            .execute(params![
                provisioner_id,
                worker_type,
                (now + QUEUE_LASTS).timestamp_millis(),
                now.timestamp_millis(),
                (now - PRECISION).timestamp_millis()
            ])?;
        Ok(())
    }

    /// A worker that has not expired. One in quarantine has not.
    pub(crate) fn seen_worker(
        &self,
        task_queue_id: &str,
        worker: &Worker,
        now: DateTime<Utc>,
    ) -> Result<Option<SeenWorker>, Failure> {
        self.connection
            .prepare_cached(&format!(
                "{WORKER} WHERE s.task_queue_id = ?1 AND s.worker_group = ?2 AND s.worker_id = ?3 \
                 AND max(s.expires, s.quarantine_until) > ?4"
            ))?
            .query_row(
                params![task_queue_id, worker.group, worker.id, now.timestamp_millis()],
                columns,
            )
            .optional()?
            .map(into_worker)
            .transpose()
    }

    /// Workers by group and id; one more than a page has, if there are that many.
    pub(crate) fn seen_workers(
        &self,
        query: &SeenQuery,
        now: DateTime<Utc>,
    ) -> Result<Vec<SeenWorker>, Failure> {
        let rows = self.rows(
            &format!(
                "{WORKER} WHERE s.task_queue_id = ?1 AND (s.worker_group, s.worker_id) > (?2, ?3) \
                 AND max(s.expires, s.quarantine_until) > ?4 \
                 AND (?5 IS NULL OR (s.quarantine_until > ?4) = ?5) \
                 AND (?6 IS NULL OR w.state = ?6) ORDER BY s.worker_group, s.worker_id LIMIT ?7"
            ),
            params![
                query.task_queue_id,
                query.after.0,
                query.after.1,
                now.timestamp_millis(),
                query.quarantined,
                query.state,
                i64::from(query.limit) + 1
            ],
            columns,
        )?;
        rows.into_iter().map(into_worker).collect()
    }

    /// Puts a worker into quarantine until the time in it, or lets it out. It is remembered for a day longer.
    pub(crate) fn quarantine(
        &self,
        worker: &mut SeenWorker,
        until: DateTime<Utc>,
        detail: Value,
    ) -> Result<(), Failure> {
        worker.quarantine_until = until;
        let remembered = until.checked_add_signed(WORKER_LASTS).unwrap_or(until);
        worker.expires = worker.expires.max(remembered);
        worker.quarantine_details.push(detail);
        let surplus = worker.quarantine_details.len().saturating_sub(QUARANTINES);
        worker.quarantine_details.drain(..surplus);
        self.connection
            .prepare_cached(
                "UPDATE seen_workers SET quarantine_until = ?4, quarantine_details = ?5, expires = ?6 \
                 WHERE task_queue_id = ?1 AND worker_group = ?2 AND worker_id = ?3",
            )?
            .execute(params![
                worker.task_queue_id,
                worker.worker_group,
                worker.worker_id,
                until.timestamp_millis(),
                serde_json::to_string(&worker.quarantine_details)?,
                worker.expires.timestamp_millis()
            ])?;
        Ok(())
    }

    /// Remembers a worker, which is known, until another time.
    pub(crate) fn keep_worker_until(
        &self,
        task_queue_id: &str,
        worker: &Worker,
        expires: DateTime<Utc>,
    ) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "UPDATE seen_workers SET expires = ?4 \
                 WHERE task_queue_id = ?1 AND worker_group = ?2 AND worker_id = ?3",
            )?
            .execute(params![
                task_queue_id,
                worker.group,
                worker.id,
                expires.timestamp_millis()
            ])?;
        Ok(())
    }

    /// Forgets up to `limit` workers and task queues that were not seen for long. Answers how many.
    pub(super) fn expire_seen(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        let workers = self
            .connection
            .prepare_cached(
                "DELETE FROM seen_workers WHERE (task_queue_id, worker_group, worker_id) IN \
                 (SELECT task_queue_id, worker_group, worker_id FROM seen_workers \
                 WHERE expires < ?1 AND quarantine_until < ?1 LIMIT ?2)",
            )?
            .execute(params![now, limit])?;
        let queues = self
            .connection
            .prepare_cached(
                "DELETE FROM task_queues WHERE (provisioner_id, worker_type) IN \
                 (SELECT provisioner_id, worker_type FROM task_queues WHERE expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now, limit])?;
        Ok(workers + queues)
    }
}

/// A worker, and its tasks and quarantines as JSON.
fn columns(row: &Row<'_>) -> rusqlite::Result<(SeenWorker, String, String)> {
    let managed = match row.get::<_, Option<String>>(9)? {
        Some(provider_id) => Some((provider_id, row.get(10)?, row.get(11)?)),
        None => None,
    };
    let worker = SeenWorker {
        task_queue_id: row.get(0)?,
        worker_group: row.get(1)?,
        worker_id: row.get(2)?,
        expires: clock::from_millis(row.get(3)?),
        first_claim: clock::from_millis(row.get(4)?),
        last_active: clock::from_millis(row.get(5)?),
        recent_tasks: Vec::new(),
        quarantine_until: clock::from_millis(row.get(7)?),
        quarantine_details: Vec::new(),
        managed,
    };
    Ok((worker, row.get(6)?, row.get(8)?))
}

fn into_worker((worker, tasks, quarantines): (SeenWorker, String, String)) -> Result<SeenWorker, Failure> {
    Ok(SeenWorker {
        recent_tasks: serde_json::from_str(&tasks)?,
        quarantine_details: serde_json::from_str(&quarantines)?,
        ..worker
    })
}
