//! Objects in the database: what is known of each, and where its bytes are.

use chrono::{DateTime, Utc};
use queue::wire::Hashes;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Db, StoredContent,
    artifacts::{signed, unsigned},
};
use crate::{clock, error::Failure};

/// An object, finished or being uploaded.
#[derive(Clone, Debug)]
pub(crate) struct StoredObject {
    /// Decides who may upload it.
    pub(crate) project_id: String,
    /// When it may be forgotten.
    pub(crate) expires: DateTime<Utc>,
    /// Of the upload under way; none once it is finished.
    pub(crate) upload_id: Option<String>,
    /// The hashes that the uploader told.
    pub(crate) promised: Hashes,
    /// What was agreed for its PUT, if there is to be one.
    pub(crate) agreed: Option<Agreed>,
    /// The bytes, if they are there.
    pub(crate) bytes: Option<StoredBytes>,
}

/// What a PUT must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Its `Content-Type`.
    pub(crate) content_type: String,
    /// Its `Content-Length`.
    pub(crate) content_length: u64,
}

/// Bytes that are stored, and what they hash to.
#[derive(Clone, Debug)]
pub(crate) struct StoredBytes {
    /// Where they are.
    pub(crate) content: StoredContent,
    /// Of all algorithms that are known.
    pub(crate) hashes: Hashes,
}

const OBJECT: &str = "SELECT project_id, expires, upload_id, promised, content_type, content_length, file, length, \
                      content_encoding, hashes FROM objects ";

impl Db<'_> {
    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<StoredObject>, Failure> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{OBJECT} WHERE name = ?1"))?;
        let mut rows = statement.query([name])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let content_type: Option<String> = row.get(4)?;
        let content_length: Option<i64> = row.get(5)?;
        let bytes = match (row.get::<_, Option<String>>(6)?, row.get::<_, Option<String>>(9)?) {
            (Some(file), Some(hashes)) => Some(StoredBytes {
                content: StoredContent {
                    file,
                    length: unsigned(row.get(7)?),
                    content_type: content_type.clone(),
                    content_encoding: row.get(8)?,
                },
                hashes: serde_json::from_str(&hashes)?,
            }),
            _ => None,
        };
        Ok(Some(StoredObject {
            project_id: row.get(0)?,
            expires: clock::from_millis(row.get(1)?),
            upload_id: row.get(2)?,
            promised: serde_json::from_str(&row.get::<_, String>(3)?)?,
            agreed: content_type
                .zip(content_length)
                .map(|(content_type, content_length)| Agreed {
                    content_type,
                    content_length: unsigned(content_length),
                }),
            bytes,
        }))
    }

    /// Keeps an object, in place of what is known of it. Its upload, if it is not finished, ends at `upload_expires`.
    /// Answers the file that had its bytes before, if they are elsewhere now.
    pub(crate) fn save_object(
        &self,
        name: &str,
        object: &StoredObject,
        upload_expires: DateTime<Utc>,
    ) -> Result<Option<String>, Failure> {
        let former: Option<String> = self
            .connection
            .prepare_cached("SELECT file FROM objects WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?
            .flatten();
        let content = object.bytes.as_ref().map(|bytes| &bytes.content);
        let hashes = object
            .bytes
            .as_ref()
            .map(|bytes| serde_json::to_string(&bytes.hashes));
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO objects (name, project_id, expires, upload_id, upload_expires, promised, \
                 content_type, content_length, file, length, content_encoding, hashes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                name,
                object.project_id,
                object.expires.timestamp_millis(),
                object.upload_id,
                upload_expires.timestamp_millis(),
                serde_json::to_string(&object.promised)?,
                object.agreed.as_ref().map(|agreed| &agreed.content_type),
                object.agreed.as_ref().map(|agreed| signed(agreed.content_length)),
                content.map(|content| &content.file),
                content.map(|content| signed(content.length)),
                content.and_then(|content| content.content_encoding.as_ref()),
                hashes.transpose()?,
            ])?;
        Ok(former.filter(|former| content.is_none_or(|content| content.file != *former)))
    }

    /// Forgets up to `limit` objects that have expired, and as many whose uploads were never finished. Answers how many, and
    /// which files nobody refers to any more.
    pub(super) fn expire_objects(&self, now: i64, limit: u32) -> Result<(usize, Vec<String>), Failure> {
        let mut count = 0;
        let mut files = Vec::new();
        for doomed in [
            "SELECT name FROM objects WHERE expires < ?1 LIMIT ?2",
            "SELECT name FROM objects WHERE upload_id IS NOT NULL AND upload_expires < ?1 LIMIT ?2",
        ] {
            let removed: Vec<Option<String>> = self.rows(
                &format!("DELETE FROM objects WHERE name IN ({doomed}) RETURNING file"),
                params![now, limit],
                |row| row.get(0),
            )?;
            count += removed.len();
            files.extend(removed.into_iter().flatten());
        }
        Ok((count, files))
    }
}
