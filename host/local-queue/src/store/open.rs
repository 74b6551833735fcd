//! Opens the queue's directory: lock, database, files.

use std::{cell::Cell, path::Path, sync::Arc};

use rand::RngCore as _;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Store, schema, writer::Writer};
use crate::{StartError, auth::Client, content::ContentFiles, lock::DirectoryLock, signals::Signals};

/// What opening a directory gives.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The database.
    pub(crate) store: Store,
    /// The bytes of artifacts.
    pub(crate) content: ContentFiles,
    /// Permanent clients that the database has.
    pub(crate) clients: Vec<Client>,
    /// Signs the addresses that bytes are put to and read from.
    pub(crate) signing_key: Vec<u8>,
}

/// Opens a directory, or makes a new queue there. Blocks.
pub(crate) fn open(directory: &Path, signals: Arc<Signals>) -> Result<Opened, StartError> {
    let lock = DirectoryLock::take(directory)?;
    let path = directory.join("queue.sqlite");
    let database = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Database {
        path: path.clone(),
        source,
    };
    let connection = Connection::open(&path).map_err(|error| database(error.into()))?;
    connection
        .execute_batch(schema::PRAGMAS)
        .map_err(|error| database(error.into()))?;
    let found = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map_err(|error| database(error.into()))?;
    let known = schema::VERSIONS.len();
    let Some(missing) = usize::try_from(found)
        .ok()
        .and_then(|found| schema::VERSIONS.get(found..))
    else {
        return Err(StartError::NewerDatabase {
            path,
            found,
            known: known.try_into().unwrap_or(i64::MAX),
        });
    };
    if !missing.is_empty() {
        let update = format!("BEGIN;{}PRAGMA user_version = {known};COMMIT;", missing.concat());
        connection
            .execute_batch(&update)
            .map_err(|error| database(error.into()))?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    let kept = read_kept(&connection).map_err(database)?;
    let unusable = |source| StartError::Directory {
        directory: directory.to_owned(),
        source,
    };
    let content = ContentFiles::open(&directory.join("artifacts"), &kept.files).map_err(unusable)?;
    let store = Store::start(Writer {
        connection,
        signals,
        counter: Cell::new(kept.last_pending),
        lock,
    })
    .map_err(unusable)?;
    Ok(Opened {
        store,
        content,
        clients: kept.clients,
        signing_key: kept.signing_key,
    })
}

/// What is read once, at start.
struct Kept {
    clients: Vec<Client>,
    signing_key: Vec<u8>,
    last_pending: i64,
    files: std::collections::HashSet<String>,
}

fn read_kept(connection: &Connection) -> Result<Kept, Box<dyn std::error::Error + Send + Sync>> {
    let mut clients = Vec::new();
    let mut statement = connection.prepare("SELECT client_id, access_token, scopes FROM clients")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        clients.push(Client {
            client_id: row.get(0)?,
            access_token: row.get(1)?,
            scopes: serde_json::from_str(&row.get::<_, String>(2)?)?,
        });
    }
    let files = connection
        .prepare("SELECT file FROM contents")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let last_pending = connection.query_row(
        "SELECT coalesce(max(pending), 0) FROM states WHERE pending IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(Kept {
        clients,
        signing_key: signing_key(connection)?,
        last_pending,
        files,
    })
}

/// The key of the directory, made at its first start.
fn signing_key(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    let known = connection
        .query_row("SELECT value FROM meta WHERE name = 'signing-key'", [], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(key) = known {
        return Ok(key);
    }
    let mut key = vec![0; 32];
    rand::rng().fill_bytes(&mut key);
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('signing-key', ?1)",
        [&key],
    )?;
    Ok(key)
}
