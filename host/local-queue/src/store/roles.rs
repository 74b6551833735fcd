//! Roles in the database.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Db;
use crate::{auth::Role, clock, error::Failure};

const ROLE: &str = "SELECT role_id, scopes, description, created, last_modified FROM roles ";

/// A role, with all that is written down of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRole {
    /// Its name, and what it grants.
    pub(crate) role: Role,
    /// For people.
    pub(crate) description: String,
    /// When it was made.
    pub(crate) created: DateTime<Utc>,
    /// When it was changed last.
    pub(crate) last_modified: DateTime<Utc>,
}

/// All roles, by name.
pub(super) fn read(connection: &Connection) -> Result<Vec<StoredRole>, Failure> {
    let rows = connection
        .prepare_cached(&format!("{ROLE} ORDER BY role_id"))?
        .query_map([], columns)?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(into_role).collect()
}

impl Db<'_> {
    /// All roles, by name.
    pub(crate) fn roles(&self) -> Result<Vec<StoredRole>, Failure> {
        read(self.connection)
    }

    /// A role.
    pub(crate) fn role(&self, role_id: &str) -> Result<Option<StoredRole>, Failure> {
        self.connection
            .prepare_cached(&format!("{ROLE} WHERE role_id = ?1"))?
            .query_row([role_id], columns)
            .optional()?
            .map(into_role)
            .transpose()
    }

    /// Keeps a role, in place of the one that has its name. It holds once the request is answered.
    pub(crate) fn save_role(&self, stored: &StoredRole) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO roles (role_id, scopes, description, created, last_modified) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                stored.role.role_id,
                serde_json::to_string(&stored.role.scopes)?,
                stored.description,
                stored.created.timestamp_millis(),
                stored.last_modified.timestamp_millis()
            ])?;
        self.access_changed();
        Ok(())
    }

    /// Forgets a role, if there is one.
    pub(crate) fn remove_role(&self, role_id: &str) -> Result<(), Failure> {
        self.connection
            .prepare_cached("DELETE FROM roles WHERE role_id = ?1")?
            .execute([role_id])?;
        self.access_changed();
        Ok(())
    }
}

type Columns = (String, String, String, i64, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn into_role((role_id, scopes, description, created, last_modified): Columns) -> Result<StoredRole, Failure> {
    Ok(StoredRole {
        role: Role {
            role_id,
            scopes: serde_json::from_str(&scopes)?,
        },
        description,
        created: clock::from_millis(created),
        last_modified: clock::from_millis(last_modified),
    })
}
