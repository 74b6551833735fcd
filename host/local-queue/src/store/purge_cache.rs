//! Requests to purge caches, in the database.

use chrono::{DateTime, Utc};
use rusqlite::{Row, params};

use super::Db;
use crate::{clock, error::Failure};

/// Caches of a name, made before a time, are to be purged by a pool's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CachePurge {
    /// Whose workers.
    pub(crate) worker_pool_id: String,
    /// The name.
    pub(crate) cache_name: String,
    /// Those that were made before.
    pub(crate) before: DateTime<Utc>,
}

const PURGE: &str = "SELECT worker_pool_id, cache_name, before FROM cache_purges ";

impl Db<'_> {
    /// Keeps a request until `expires`, in place of the one for the same caches.
    pub(crate) fn save_purge(&self, purge: &CachePurge, expires: DateTime<Utc>) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO cache_purges (worker_pool_id, cache_name, before, expires) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                purge.worker_pool_id,
                purge.cache_name,
                purge.before.timestamp_millis(),
                expires.timestamp_millis()
            ])?;
        Ok(())
    }

    /// The requests for a pool that were made at `since` or later.
    pub(crate) fn purges_of_pool(
        &self,
        worker_pool_id: &str,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<CachePurge>, Failure> {
        self.rows(
            &format!(
                "{PURGE} WHERE worker_pool_id = ?1 AND before >= ?2 AND expires > ?3 ORDER BY cache_name"
            ),
            params![worker_pool_id, since.timestamp_millis(), now.timestamp_millis()],
            columns,
        )
    }

    /// All requests after the one for these caches of this pool; one more than a page has, if there are that many.
    pub(crate) fn purges_after(
        &self,
        (worker_pool_id, cache_name): (&str, &str),
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<CachePurge>, Failure> {
        self.rows(
            &format!(
                "{PURGE} WHERE (worker_pool_id, cache_name) > (?1, ?2) AND expires > ?3 \
                 ORDER BY worker_pool_id, cache_name LIMIT ?4"
            ),
            params![
                worker_pool_id,
                cache_name,
                now.timestamp_millis(),
                i64::from(limit) + 1
            ],
            columns,
        )
    }

    /// Forgets up to `limit` requests that have expired. Answers how many.
    pub(super) fn expire_purges(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        Ok(self
            .connection
            .prepare_cached(
                "DELETE FROM cache_purges WHERE (worker_pool_id, cache_name) IN \
                 (SELECT worker_pool_id, cache_name FROM cache_purges WHERE expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now, limit])?)
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<CachePurge> {
    Ok(CachePurge {
        worker_pool_id: row.get(0)?,
        cache_name: row.get(1)?,
        before: clock::from_millis(row.get(2)?),
    })
}
