//! Worker pools in the database, and the errors that were reported of them.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::Db;
use crate::{
    clock,
    error::{ApiError, Failure},
    pool::{NULL_PROVIDER, WorkerPool, WorkerState},
};

/// For how long errors are remembered.
const ERRORS: TimeDelta = TimeDelta::days(30);

/// An error of a pool, as a worker has reported it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PoolError {
    /// Orders them: a later one has a greater number. Given when it is kept.
    pub(crate) seq: i64,
    /// Its name.
    pub(crate) error_id: String,
    /// Whose.
    pub(crate) worker_pool_id: String,
    /// When it was reported.
    pub(crate) reported: DateTime<Utc>,
    /// A word for what kind it is.
    pub(crate) kind: String,
    /// For people.
    pub(crate) title: String,
    /// For people.
    pub(crate) description: String,
    /// Whatever else is known.
    pub(crate) extra: Map<String, Value>,
}

/// Which errors of a pool are asked for.
#[derive(Clone, Debug)]
pub(crate) struct PoolErrorsQuery {
    /// Of this pool.
    pub(crate) worker_pool_id: String,
    /// Only this one.
    pub(crate) error_id: Option<String>,
    /// Those before the one with this number; all for 0.
    pub(crate) before: i64,
    /// A page has so many.
    pub(crate) limit: u32,
}

/// How many workers of a pool are in one state, and how many tasks they run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Workers.
    pub(crate) count: u64,
    /// Tasks.
    pub(crate) capacity: u64,
}

const POOL: &str = "SELECT worker_pool_id, provider_id, description, config, owner, email_on_error, created, last_modified \
                    FROM worker_pools ";
const ERROR: &str = "SELECT seq, error_id, worker_pool_id, reported, kind, title, description, extra FROM worker_pool_errors ";

impl Db<'_> {
    /// A pool.
    pub(crate) fn pool(&self, worker_pool_id: &str) -> Result<Option<WorkerPool>, Failure> {
        self.connection
            .prepare_cached(&format!("{POOL} WHERE worker_pool_id = ?1"))?
            .query_row([worker_pool_id], pool_columns)
            .optional()?
            .map(into_pool)
            .transpose()
    }

    /// A pool, which must be there.
    ///
    /// # Errors
    /// 404 if it is not.
    pub(crate) fn known_pool(&self, worker_pool_id: &str) -> Result<WorkerPool, Failure> {
        let pool = self.pool(worker_pool_id)?;
        Ok(pool
            .ok_or_else(|| ApiError::not_found(format!("Worker pool `{worker_pool_id}` does not exist")))?)
    }

    /// Keeps a pool, in place of the one that has its name.
    pub(crate) fn save_pool(&self, pool: &WorkerPool) -> Result<(), Failure> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO worker_pools VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                pool.worker_pool_id,
                pool.provider_id,
                pool.description,
                serde_json::to_string(&pool.config)?,
                pool.owner,
                pool.email_on_error,
                pool.created.timestamp_millis(),
                pool.last_modified.timestamp_millis()
            ])?;
        Ok(())
    }

    /// Pools after the one called `after`; one more than a page has, if there are that many.
    pub(crate) fn pools_after(&self, after: &str, limit: u32) -> Result<Vec<WorkerPool>, Failure> {
        let rows = self.rows(
            &format!("{POOL} WHERE worker_pool_id > ?1 ORDER BY worker_pool_id LIMIT ?2"),
            params![after, i64::from(limit) + 1],
            pool_columns,
        )?;
        rows.into_iter().map(into_pool).collect()
    }

    /// How many workers a pool has in a state.
    pub(crate) fn count_workers(&self, worker_pool_id: &str, state: WorkerState) -> Result<Counted, Failure> {
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(self
            .connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(capacity), 0) FROM workers WHERE worker_pool_id = ?1 AND state = ?2",
            )?
            .query_row([worker_pool_id, state.word()], |row| {
                Ok(Counted {
                    count: unsigned(row.get(0)?),
                    capacity: unsigned(row.get(1)?),
                })
            })?)
    }

    /// Keeps an error. Its number is given here.
    pub(crate) fn save_pool_error(&self, error: &PoolError) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "INSERT INTO worker_pool_errors (error_id, worker_pool_id, reported, kind, title, description, extra) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                error.error_id,
                error.worker_pool_id,
                error.reported.timestamp_millis(),
                error.kind,
                error.title,
                error.description,
                serde_json::to_string(&error.extra)?
            ])?;
        Ok(())
    }

    /// Errors of a pool, the newest first; one more than a page has, if there are that many.
    pub(crate) fn pool_errors(&self, query: &PoolErrorsQuery) -> Result<Vec<PoolError>, Failure> {
        let before = if query.before == 0 { i64::MAX } else { query.before };
        let rows = self.rows(
            &format!(
                "{ERROR} WHERE worker_pool_id = ?1 AND seq < ?2 AND (?3 IS NULL OR error_id = ?3) \
                 ORDER BY seq DESC LIMIT ?4"
            ),
            params![
                query.worker_pool_id,
                before,
                query.error_id,
                i64::from(query.limit) + 1
            ],
            error_columns,
        )?;
        rows.into_iter().map(into_error).collect()
    }

    /// Forgets up to `limit` old errors, and pools that were deleted and have no more running workers. Answers how many.
    pub(super) fn expire_pools(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        let errors = self
            .connection
            .prepare_cached(
                "DELETE FROM worker_pool_errors WHERE seq IN \
                 (SELECT seq FROM worker_pool_errors WHERE reported < ?1 LIMIT ?2)",
            )?
            .execute(params![now.saturating_sub(ERRORS.num_milliseconds()), limit])?;
        let pools = self
            .connection
            .prepare_cached(
                "DELETE FROM worker_pools WHERE worker_pool_id IN (SELECT worker_pool_id FROM worker_pools p \
                 WHERE provider_id = ?1 AND NOT EXISTS (SELECT 1 FROM workers w \
                 WHERE w.worker_pool_id = p.worker_pool_id AND w.state = ?2) LIMIT ?3)",
            )?
            .execute(params![NULL_PROVIDER, WorkerState::Running.word(), limit])?;
        Ok(errors + pools)
    }
}

/// A pool, and its config as JSON.
fn pool_columns(row: &Row<'_>) -> rusqlite::Result<(WorkerPool, String)> {
    let pool = WorkerPool {
        worker_pool_id: row.get(0)?,
        provider_id: row.get(1)?,
        description: row.get(2)?,
        config: Map::new(),
        owner: row.get(4)?,
        email_on_error: row.get(5)?,
        created: clock::from_millis(row.get(6)?),
        last_modified: clock::from_millis(row.get(7)?),
    };
    Ok((pool, row.get(3)?))
}

fn into_pool((pool, config): (WorkerPool, String)) -> Result<WorkerPool, Failure> {
    Ok(WorkerPool {
        config: serde_json::from_str(&config)?,
        ..pool
    })
}

fn error_columns(row: &Row<'_>) -> rusqlite::Result<(PoolError, String)> {
    let error = PoolError {
        seq: row.get(0)?,
        error_id: row.get(1)?,
        worker_pool_id: row.get(2)?,
        reported: clock::from_millis(row.get(3)?),
        kind: row.get(4)?,
        title: row.get(5)?,
        description: row.get(6)?,
        extra: Map::new(),
    };
    Ok((error, row.get(7)?))
}

fn into_error((error, extra): (PoolError, String)) -> Result<PoolError, Failure> {
    Ok(PoolError {
        extra: serde_json::from_str(&extra)?,
        ..error
    })
}
