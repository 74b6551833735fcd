//! Opens the queue's directory: lock, database, files.

use std::{
    cell::Cell,
    fs::OpenOptions,
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt},
    path::Path,
    sync::Arc,
};

use rand::RngCore as _;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Store, clients, roles, schema, writer::Writer};
use crate::{
    StartError,
    auth::{Clients, Enrolled, Roles},
    content::ContentFiles,
    lock::DirectoryLock,
    signals::Signals,
};

/// What opening a directory gives.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The database.
    pub(crate) store: Store,
    /// The bytes of artifacts.
    pub(crate) content: ContentFiles,
    /// Signs the addresses that bytes are put to and read from.
    pub(crate) signing_key: Vec<u8>,
}

/// Opens a directory, or makes a new queue there. `clients` get to know whom the database has. Blocks.
pub(crate) fn open(
    directory: &Path,
    signals: Arc<Signals>,
    clients: Arc<Clients>,
) -> Result<Opened, StartError> {
    let lock = DirectoryLock::take(directory)?;
    let path = directory.join("queue.sqlite");
    let database = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Database {
        path: path.clone(),
        source,
    };
    keep_private(&path).map_err(|error| database(error.into()))?;
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
    connection.set_prepared_statement_cache_capacity(128);
    let kept = read_kept(&connection).map_err(database)?;
    let (others, roles) = read_access(&connection).map_err(database)?;
    clients.replace(others, roles);
    let unusable = |source| StartError::Directory {
        directory: directory.to_owned(),
        source,
    };
    let content = ContentFiles::open(&directory.join("artifacts"), &kept.files).map_err(unusable)?;
    let store = Store::start(Writer {
        connection,
        signals,
        clients,
        counter: Cell::new(kept.last_pending),
        lock,
    })
    .map_err(unusable)?;
    Ok(Opened {
        store,
        content,
        signing_key: kept.signing_key,
    })
}

/// Makes the database, and what SQLite keeps beside it, nobody else's to read: there are secrets in it. SQLite gives new
/// files the mode of the database.
fn keep_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// All that requests are checked with: read at start, and whenever it has changed.
pub(super) fn read_access(
    connection: &Connection,
) -> Result<(Vec<Enrolled>, Roles), Box<dyn std::error::Error + Send + Sync>> {
    let roles = roles::read(connection)?;
    let roles = Roles::compile(roles.iter().map(|stored| &stored.role))?;
    Ok((clients::read(connection)?, roles))
}

/// What is read once, at start.
struct Kept {
    signing_key: Vec<u8>,
    last_pending: i64,
    files: std::collections::HashSet<String>,
}

fn read_kept(connection: &Connection) -> Result<Kept, Box<dyn std::error::Error + Send + Sync>> {
    let files = connection
        .prepare("SELECT file FROM contents UNION SELECT file FROM objects WHERE file IS NOT NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let last_pending = connection.query_row(
        "SELECT coalesce(max(pending), 0) FROM states WHERE pending IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(Kept {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::SignedRequest, tests::root};

    #[test]
    fn a_database_of_the_first_version_keeps_its_clients_and_gets_roles() {
        let directory = tempfile::tempdir().unwrap();
        let old = Connection::open(directory.path().join("queue.sqlite")).unwrap();
        old.execute_batch(schema::PRAGMAS).unwrap();
        old.execute_batch(schema::VERSIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO clients VALUES ('ci', 'secret', '[\"assume:anonymous\"]'); PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let clients = Arc::new(Clients::new(&root()));
        open(directory.path(), Arc::default(), Arc::clone(&clients)).unwrap();
        let access = clients.current();
        let ci = access.find("ci", crate::clock::now()).unwrap();
        assert_eq!(ci.client.access_token, "secret");
        assert!(ci.client.scopes.contains(&"queue:status:*".to_owned()));
        let anybody = SignedRequest {
            method: "GET",
            path_and_query: "/",
            host: "localhost",
            port: 80,
            authorization: None,
        };
        let anybody = access.authenticate(&anybody).unwrap();
        assert!(anybody.scopes.contains(&"queue:get-artifact:public/*".to_owned()));
    }

    /// The tables and indexes of a directory's database.
    fn tables(directory: &Path) -> Vec<(String, Option<String>)> {
        let database = Connection::open(directory.join("queue.sqlite")).unwrap();
        let mut statement = database
            .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[tokio::test]
    async fn a_directory_of_any_former_version_gets_what_a_new_one_has() {
        let mut seen = Vec::new();
        for version in 0..=schema::VERSIONS.len() {
            let directory = tempfile::tempdir().unwrap();
            let database = Connection::open(directory.path().join("queue.sqlite")).unwrap();
            let former = schema::VERSIONS[..version].concat();
            database
                .execute_batch(&format!("{former}PRAGMA user_version = {version};"))
                .unwrap();
            drop(database);
            let clients = Arc::new(Clients::new(&root()));
            let opened = open(directory.path(), Arc::default(), clients).unwrap();
            opened.store.close().await;
            seen.push(tables(directory.path()));
        }
        assert!(seen[0].len() > 10, "{:?}", seen[0]);
        for (version, tables) in seen.iter().enumerate() {
            assert_eq!(*tables, seen[0], "version {version}");
        }
    }
}
