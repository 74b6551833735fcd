//! The workers that worker-manager knows, in the database.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{Db, task_queues::RUNNING};
use crate::{
    clock,
    error::{ApiError, Failure},
    pool::{Fingerprint, ManagedWorker, WorkerName, WorkerState},
    task::{Change, Resolution},
};

const WORKER: &str = "SELECT worker_pool_id, worker_group, worker_id, provider_id, state, capacity, created, expires, \
                      last_modified, static_secret, registration FROM workers ";

/// Which workers of a pool are asked for.
#[derive(Clone, Debug)]
pub(crate) struct WorkersQuery {
    /// Of this pool.
    pub(crate) worker_pool_id: String,
    /// Only those of this group.
    pub(crate) worker_group: Option<String>,
    /// Only those in this state, by its word.
    pub(crate) state: Option<String>,
    /// Those after this workerGroup and workerId.
    pub(crate) after: (String, String),
    /// A page has so many.
    pub(crate) limit: u32,
}

impl Db<'_> {
    /// A worker.
    pub(crate) fn worker(&self, name: &WorkerName) -> Result<Option<ManagedWorker>, Failure> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "{WORKER} WHERE worker_pool_id = ?1 AND worker_group = ?2 AND worker_id = ?3"
            ))?
            .query_row(
                [&name.worker_pool_id, &name.worker_group, &name.worker_id],
                columns,
            )
            .optional()?)
    }

    /// A worker, which must be there.
    ///
    /// # Errors
    /// 404 if it is not.
    pub(crate) fn known_worker(&self, name: &WorkerName) -> Result<ManagedWorker, Failure> {
        let worker = self.worker(name)?;
        Ok(worker.ok_or_else(|| ApiError::not_found(format!("Worker `{name}` does not exist")))?)
    }

    /// Keeps a worker, in place of the one that has its name.
    pub(crate) fn save_worker(&self, worker: &ManagedWorker) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO workers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                worker.name.worker_pool_id,
                worker.name.worker_group,
                worker.name.worker_id,
                worker.provider_id,
                worker.state.word(),
                worker.capacity,
                worker.created.timestamp_millis(),
                worker.expires.timestamp_millis(),
                worker.last_modified.timestamp_millis(),
                worker.static_secret.0,
                worker.registration.as_ref().map(|registration| &registration.0),
            ])?;
        Ok(())
    }

    /// Workers by group and id; one more than a page has, if there are that many.
    pub(crate) fn workers_after(&self, query: &WorkersQuery) -> Result<Vec<ManagedWorker>, Failure> {
        self.rows(
            &format!(
                "{WORKER} WHERE worker_pool_id = ?1 AND (worker_group, worker_id) > (?2, ?3) \
                 AND (?4 IS NULL OR worker_group = ?4) AND (?5 IS NULL OR state = ?5) \
                 ORDER BY worker_group, worker_id LIMIT ?6"
            ),
            params![
                query.worker_pool_id,
                query.after.0,
                query.after.1,
                query.worker_group,
                query.state,
                i64::from(query.limit) + 1
            ],
            columns,
        )
    }

    /// Gives back what a worker that is gone was running: nobody waits for its claims to end.
    pub(crate) fn shut_down_runs_of(&self, name: &WorkerName, now: DateTime<Utc>) -> Result<(), Failure> {
        let resolution = Resolution::Exception {
            reason: "worker-shutdown",
            retry: Some("retry"),
        };
        for mut task in self.tasks(RUNNING, params![name.worker_pool_id])? {
            let Some(run) = task.runs.last() else { continue };
            let is_its = run.worker_group.as_ref() == Some(&name.worker_group)
                && run.worker_id.as_ref() == Some(&name.worker_id);
            if is_its && task.resolve(run.run_id, resolution, now) == Ok(Change::Made) {
                self.save(&task, now)?;
            }
        }
        Ok(())
    }

    /// Forgets up to `limit` workers that have expired. Answers how many.
    pub(super) fn expire_workers(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        Ok(self
            .connection
            .prepare_cached(
                "DELETE FROM workers WHERE (worker_pool_id, worker_group, worker_id) IN \
                 (SELECT worker_pool_id, worker_group, worker_id FROM workers WHERE expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now, limit])?)
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<ManagedWorker> {
    let state: String = row.get(4)?;
    Ok(ManagedWorker {
        name: WorkerName {
            worker_pool_id: row.get(0)?,
            worker_group: row.get(1)?,
            worker_id: row.get(2)?,
        },
        provider_id: row.get(3)?,
        state: if state == WorkerState::Running.word() {
            WorkerState::Running
        } else {
            WorkerState::Stopped
        },
        capacity: row.get(5)?,
        created: clock::from_millis(row.get(6)?),
        expires: clock::from_millis(row.get(7)?),
        last_modified: clock::from_millis(row.get(8)?),
        static_secret: Fingerprint(row.get(9)?),
        registration: row.get::<_, Option<String>>(10)?.map(Fingerprint),
    })
}
