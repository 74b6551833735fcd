//! Secrets in the database. Their values are in no error and no log.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::Db;
use crate::{clock, error::Failure};

/// For how long it is remembered that there was a secret. Its value is gone by then.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// A secret. Never shows itself.
pub(crate) struct StoredSecret {
    /// A JSON object, as text.
    pub(crate) secret: String,
    /// From when on it can't be read any more.
    pub(crate) expires: DateTime<Utc>,
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecret")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Db<'_> {
    /// A secret, be it expired.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<StoredSecret>, Failure> {
        Ok(self
            .connection
            .prepare_cached("SELECT secret, expires FROM secrets WHERE name = ?1")?
            .query_row([name], |row| {
                Ok(StoredSecret {
                    secret: row.get(0)?,
                    expires: clock::from_millis(row.get(1)?),
                })
            })
            .optional()?)
    }

    /// Keeps a secret, in place of the one that has its name.
    pub(crate) fn save_secret(&self, name: &str, stored: &StoredSecret) -> Result<(), Failure> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO secrets (name, secret, expires) VALUES (?1, ?2, ?3)")?
            .execute(params![name, stored.secret, stored.expires.timestamp_millis()])?;
        Ok(())
    }

    /// Forgets a secret, if there is one.
    pub(crate) fn remove_secret(&self, name: &str) -> Result<(), Failure> {
        self.connection
            .prepare_cached("DELETE FROM secrets WHERE name = ?1")?
            .execute([name])?;
        Ok(())
    }

    /// Names of secrets that have not expired, after the one called `after`; one more than a page has, if there are that many.
    pub(crate) fn secrets_after(
        &self,
        after: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, Failure> {
        self.rows(
            "SELECT name FROM secrets WHERE name > ?1 AND expires >= ?2 ORDER BY name LIMIT ?3",
            params![after, now.timestamp_millis(), i64::from(limit) + 1],
            |row| row.get(0),
        )
    }

    /// Forgets the values of up to `limit` secrets that have expired, and that there were any, later. Answers how many.
    pub(super) fn expire_secrets(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        let erased = self
            .connection
            .prepare_cached(
                "UPDATE secrets SET secret = '' WHERE name IN \
                 (SELECT name FROM secrets WHERE expires < ?1 AND secret != '' LIMIT ?2)",
            )?
            .execute(params![now, limit])?;
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM secrets WHERE name IN (SELECT name FROM secrets WHERE expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now.saturating_sub(REMEMBERED.num_milliseconds()), limit])?;
        Ok(erased + removed)
    }
}
