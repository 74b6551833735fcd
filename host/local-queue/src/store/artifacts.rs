//! Artifacts in the database, and what is removed when it expires.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, params};

use super::Db;
use crate::{artifact::Artifact, clock, error::Failure};

/// The bytes of an artifact: where they are, and what was said of them when they were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredContent {
    /// The name of the file.
    pub(crate) file: String,
    /// In bytes.
    pub(crate) length: u64,
    /// The `Content-Type` of the PUT.
    pub(crate) content_type: Option<String>,
    /// The `Content-Encoding` of the PUT.
    pub(crate) content_encoding: Option<String>,
}

const ARTIFACT: &str = "SELECT name, expires, content_type, content_length, details FROM artifacts ";

impl Db<'_> {
    /// An artifact.
    pub(crate) fn artifact(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
    ) -> Result<Option<Artifact>, Failure> {
        self.connection
            .prepare_cached(&format!(
                "{ARTIFACT} WHERE task_id = ?1 AND run_id = ?2 AND name = ?3"
            ))?
            .query_row(params![task_id, run_id, name], columns)
            .optional()?
            .map(into_artifact)
            .transpose()
    }

    /// Keeps an artifact, in place of the one that has its name.
    pub(crate) fn save_artifact(
        &self,
        task_id: &str,
        run_id: u32,
        artifact: &Artifact,
    ) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "INSERT INTO artifacts (task_id, run_id, name, expires, content_type, content_length, details) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET expires = excluded.expires, \
                 content_type = excluded.content_type, content_length = excluded.content_length, \
                 details = excluded.details",
            )?
            .execute(params![
                task_id,
                run_id,
                artifact.name,
                artifact.expires.timestamp_millis(),
                artifact.content_type,
                artifact.content_length.map(signed),
                serde_json::to_string(&artifact.details)?
            ])?;
        Ok(())
    }

    /// Artifacts of a run by name, after the one called `after`; one more than a page has, if there are that many.
    pub(crate) fn artifacts_after(
        &self,
        task_id: &str,
        run_id: u32,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Artifact>, Failure> {
        let rows = self.rows(
            &format!("{ARTIFACT} WHERE task_id = ?1 AND run_id = ?2 AND name > ?3 ORDER BY name LIMIT ?4"),
            params![task_id, run_id, after, i64::from(limit) + 1],
            columns,
        )?;
        rows.into_iter().map(into_artifact).collect()
    }

    /// The bytes that were put for an artifact.
    pub(crate) fn content(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
    ) -> Result<Option<StoredContent>, Failure> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT file, length, content_type, content_encoding FROM contents \
                 WHERE task_id = ?1 AND run_id = ?2 AND name = ?3",
            )?
            .query_row(params![task_id, run_id, name], |row| {
                Ok(StoredContent {
                    file: row.get(0)?,
                    length: unsigned(row.get(1)?),
                    content_type: row.get(2)?,
                    content_encoding: row.get(3)?,
                })
            })
            .optional()?)
    }

    /// Notes which file now has the bytes of an artifact. Answers the file that had them before.
    pub(crate) fn save_content(
        &self,
        task_id: &str,
        run_id: u32,
        name: &str,
        content: &StoredContent,
    ) -> Result<Option<String>, Failure> {
        let former = self.content(task_id, run_id, name)?.map(|former| former.file);
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO contents (task_id, run_id, name, file, length, content_type, content_encoding) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                task_id,
                run_id,
                name,
                content.file,
                signed(content.length),
                content.content_type,
                content.content_encoding
            ])?;
        Ok(former)
    }

    /// Forgets up to `limit` of each kind of things that have expired. Answers how many, and which files nobody refers to
    /// any more.
    pub(crate) fn expire(&self, now: DateTime<Utc>, limit: u32) -> Result<(usize, Vec<String>), Failure> {
        let now = now.timestamp_millis();
        let doomed = "SELECT task_id FROM tasks WHERE expires < ?1 ORDER BY expires LIMIT ?2";
        let mut files: Vec<String> = Vec::new();
        for condition in [
            format!("task_id IN ({doomed})"),
            "(task_id, run_id, name) IN (SELECT task_id, run_id, name FROM artifacts WHERE expires < ?1 \
             ORDER BY expires LIMIT ?2)"
                .to_owned(),
        ] {
            let removed = self.rows(
                &format!("DELETE FROM contents WHERE {condition} RETURNING file"),
                params![now, limit],
                |row| row.get(0),
            )?;
            files.extend(removed);
        }
        let artifacts = self
            .connection
            .prepare_cached(
                "DELETE FROM artifacts WHERE (task_id, run_id, name) IN (SELECT task_id, run_id, name FROM artifacts \
                 WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
            )?
            .execute(params![now, limit])?;
        let tasks = self
            .connection
            .prepare_cached(&format!("DELETE FROM tasks WHERE task_id IN ({doomed})"))?
            .execute(params![now, limit])?;
        self.connection
            .prepare_cached(
                "DELETE FROM task_groups WHERE expires < ?1 AND NOT EXISTS \
                 (SELECT 1 FROM tasks WHERE tasks.task_group_id = task_groups.task_group_id)",
            )?
            .execute([now])?;
        let others = self.expire_clients(now, limit)?
            + self.expire_index(now, limit)?
            + self.expire_pools(now, limit)?
            + self.expire_purges(now, limit)?
            + self.expire_secrets(now, limit)?
            + self.expire_seen(now, limit)?
            + self.expire_workers(now, limit)?;
        let (objects, of_objects) = self.expire_objects(now, limit)?;
        files.extend(of_objects);
        Ok((artifacts + tasks + objects + others, files))
    }
}

/// SQLite has no unsigned numbers, and no artifact has so many bytes.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(length: i64) -> u64 {
    u64::try_from(length).unwrap_or(0)
}

type Columns = (String, i64, String, Option<i64>, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn into_artifact(
    (name, expires, content_type, content_length, details): Columns,
) -> Result<Artifact, Failure> {
    Ok(Artifact {
        name,
        expires: clock::from_millis(expires),
        content_type,
        content_length: content_length.map(unsigned),
        details: serde_json::from_str(&details)?,
    })
}
