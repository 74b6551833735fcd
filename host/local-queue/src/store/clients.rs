//! Permanent clients in the database, beside the root client, which is given at start.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Db;
use crate::{
    auth::{Client, Enrolled},
    clock,
    error::Failure,
};

const CLIENT: &str = "SELECT client_id, access_token, scopes, description, expires, delete_on_expiration, disabled, \
                      created, last_modified, last_date_used, last_rotated FROM clients ";

/// All clients, by name.
pub(super) fn read(connection: &Connection) -> Result<Vec<Enrolled>, Failure> {
    let rows = connection
        .prepare_cached(&format!("{CLIENT} ORDER BY client_id"))?
        .query_map([], columns)?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(into_enrolled).collect()
}

impl Db<'_> {
    /// All clients, by name.
    pub(crate) fn clients(&self) -> Result<Vec<Enrolled>, Failure> {
        read(self.connection)
    }

    /// A client.
    pub(crate) fn client(&self, client_id: &str) -> Result<Option<Enrolled>, Failure> {
        self.connection
            .prepare_cached(&format!("{CLIENT} WHERE client_id = ?1"))?
            .query_row([client_id], columns)
            .optional()?
            .map(into_enrolled)
            .transpose()
    }

    /// Keeps a client, in place of the one that has its name. It holds once the request is answered.
    pub(crate) fn save_client(&self, enrolled: &Enrolled) -> Result<(), Failure> {
        let Client {
            client_id,
            access_token,
            scopes,
        } = &enrolled.client;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO clients (client_id, access_token, scopes, description, expires, \
                 delete_on_expiration, disabled, created, last_modified, last_date_used, last_rotated) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                client_id,
                access_token,
                serde_json::to_string(scopes)?,
                enrolled.description,
                enrolled.expires.timestamp_millis(),
                enrolled.delete_on_expiration,
                enrolled.disabled,
                enrolled.created.timestamp_millis(),
                enrolled.last_modified.timestamp_millis(),
                enrolled.last_date_used.timestamp_millis(),
                enrolled.last_rotated.timestamp_millis()
            ])?;
        self.access_changed();
        Ok(())
    }

    /// Forgets a client, if there is one.
    pub(crate) fn remove_client(&self, client_id: &str) -> Result<(), Failure> {
        self.connection
            .prepare_cached("DELETE FROM clients WHERE client_id = ?1")?
            .execute([client_id])?;
        self.access_changed();
        Ok(())
    }

    /// Notes that a client has been used. What it may do stays as it is.
    pub(crate) fn save_client_use(&self, client_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "UPDATE clients SET last_date_used = max(last_date_used, ?2) WHERE client_id = ?1",
            )?
            .execute(params![client_id, now.timestamp_millis()])?;
        Ok(())
    }

    /// Forgets up to `limit` clients that have expired and are to be removed then. Answers how many.
    pub(super) fn expire_clients(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM clients WHERE client_id IN (SELECT client_id FROM clients \
                 WHERE delete_on_expiration AND expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now, limit])?;
        if removed > 0 {
            self.access_changed();
        }
        Ok(removed)
    }
}

type Columns = (Enrolled, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    let time = |at: usize| row.get(at).map(clock::from_millis);
    let client = Client {
        client_id: row.get(0)?,
        access_token: row.get(1)?,
        scopes: Vec::new(),
    };
    let enrolled = Enrolled {
        client,
        description: row.get(3)?,
        expires: time(4)?,
        delete_on_expiration: row.get(5)?,
        disabled: row.get(6)?,
        created: time(7)?,
        last_modified: time(8)?,
        last_date_used: time(9)?,
        last_rotated: time(10)?,
    };
    Ok((enrolled, row.get(2)?))
}

fn into_enrolled((mut enrolled, scopes): Columns) -> Result<Enrolled, Failure> {
    enrolled.client.scopes = serde_json::from_str(&scopes)?;
    Ok(enrolled)
}
