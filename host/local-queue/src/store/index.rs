//! The index in the database: tasks by the names that they were given, in namespaces that are made as needed.

use chrono::{DateTime, Days, NaiveTime, Utc};
use queue::wire::{TaskDefinition, TaskState};
use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::Db;
use crate::{clock, error::Failure, ids, task::Task};

/// What routes begin with that tell where a task is to be indexed.
const ROUTE: &str = "index.";

/// A task in the index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedTask {
    /// Where it is: words with dots between.
    pub(crate) path: String,
    /// The task.
    pub(crate) task_id: String,
    /// A task of a lower rank does not take its place.
    pub(crate) rank: f64,
    /// Whatever whoever indexed it has to say.
    pub(crate) data: Map<String, Value>,
    /// From when on it is not there any more.
    pub(crate) expires: DateTime<Utc>,
}

/// A namespace of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// The namespace that it is in; empty for the outermost.
    pub(crate) parent: String,
    /// Its name there.
    pub(crate) name: String,
    /// From when on nothing is in it any more.
    pub(crate) expires: DateTime<Utc>,
}

/// The path of something called `name` in a namespace.
pub(crate) fn path_of(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

const INDEXED: &str = "SELECT namespace, name, task_id, rank, data, expires FROM indexed_tasks ";

impl Db<'_> {
    /// The task at a path, unless it has expired.
    pub(crate) fn indexed_task(
        &self,
        path: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<IndexedTask>, Failure> {
        let (namespace, name) = split(path);
        self.connection
            .prepare_cached(&format!(
                "{INDEXED} WHERE namespace = ?1 AND name = ?2 AND expires > ?3"
            ))?
            .query_row(params![namespace, name, now.timestamp_millis()], columns)
            .optional()?
            .map(into_indexed)
            .transpose()
    }

    /// Tasks right in a namespace by name, after the one called `after`; one more than a page has, if there are that many.
    pub(crate) fn indexed_tasks_after(
        &self,
        namespace: &str,
        after: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<IndexedTask>, Failure> {
        let rows = self.rows(
            &format!("{INDEXED} WHERE namespace = ?1 AND name > ?2 AND expires > ?3 ORDER BY name LIMIT ?4"),
            params![namespace, after, now.timestamp_millis(), i64::from(limit) + 1],
            columns,
        )?;
        rows.into_iter().map(into_indexed).collect()
    }

    /// The same for namespaces right in a namespace.
    pub(crate) fn namespaces_after(
        &self,
        parent: &str,
        after: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<Namespace>, Failure> {
        self.rows(
            "SELECT parent, name, expires FROM index_namespaces \
                 WHERE parent = ?1 AND name > ?2 AND expires > ?3 ORDER BY name LIMIT ?4",
            params![parent, after, now.timestamp_millis(), i64::from(limit) + 1],
            |row| {
                Ok(Namespace {
                    parent: row.get(0)?,
                    name: row.get(1)?,
                    expires: clock::from_millis(row.get(2)?),
                })
            },
        )
    }

    /// Indexes a task, unless one of a higher rank is there. Answers which is there then.
    pub(crate) fn insert_indexed_task(
        &self,
        indexed: IndexedTask,
        now: DateTime<Utc>,
    ) -> Result<IndexedTask, Failure> {
        if let Some(existing) = self.indexed_task(&indexed.path, now)?
            && existing.rank > indexed.rank
        {
            return Ok(existing);
        }
        let (namespace, name) = split(&indexed.path);
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO indexed_tasks (namespace, name, rank, task_id, data, expires) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                namespace,
                name,
                indexed.rank,
                indexed.task_id,
                serde_json::to_string(&indexed.data)?,
                indexed.expires.timestamp_millis()
            ])?;
        self.ensure_namespace(namespace, indexed.expires)?;
        Ok(indexed)
    }

    /// Removes what is at a path, if anything is.
    pub(crate) fn remove_indexed_task(&self, path: &str) -> Result<(), Failure> {
        let (namespace, name) = split(path);
        self.connection
            .prepare_cached("DELETE FROM indexed_tasks WHERE namespace = ?1 AND name = ?2")?
            .execute([namespace, name])?;
        Ok(())
    }

    /// Makes a namespace and all that it is in, to last until the end of that day at least.
    fn ensure_namespace(&self, namespace: &str, expires: DateTime<Utc>) -> Result<(), Failure> {
        let day_after = expires
            .checked_add_days(Days::new(1))
            .and_then(|time| time.with_time(NaiveTime::MIN).single())
            .unwrap_or(expires)
            .timestamp_millis();
        let mut rest = namespace;
        while !rest.is_empty() {
            let (parent, name) = split(rest);
            let changed = self
                .connection
                .prepare_cached(
                    "INSERT INTO index_namespaces (parent, name, expires) VALUES (?1, ?2, ?3) \
                     ON CONFLICT DO UPDATE SET expires = excluded.expires WHERE expires < excluded.expires",
                )?
                .execute(params![parent, name, day_after])?;
            if changed == 0 {
                // It lasts long enough already, and so does all that it is in.
                break;
            }
            rest = parent;
        }
        Ok(())
    }

    /// Indexes a task that has completed wherever its routes say.
    pub(super) fn index_completed(&self, task: &Task, now: DateTime<Utc>) -> Result<(), Failure> {
        if task.state() != TaskState::Completed {
            return Ok(());
        }
        let mut paths = task
            .definition
            .routes
            .iter()
            .filter_map(|route| route.strip_prefix(ROUTE))
            .filter(|path| ids::is_namespace(path))
            .peekable();
        if paths.peek().is_none() {
            return Ok(());
        }
        let Some((rank, data, expires)) = how_to_index(&task.definition) else {
            tracing::warn!(
                task_id = task.task_id,
                "task.extra.index is wrong: the task is not indexed"
            );
            return Ok(());
        };
        for path in paths {
            let indexed = IndexedTask {
                path: path.to_owned(),
                task_id: task.task_id.clone(),
                rank,
                data: data.clone(),
                expires,
            };
            self.insert_indexed_task(indexed, now)?;
        }
        Ok(())
    }

    /// Forgets up to `limit` tasks and `limit` namespaces of the index that have expired. Answers how many.
    pub(super) fn expire_index(&self, now: i64, limit: u32) -> Result<usize, Failure> {
        let mut removed = 0;
        for (table, key) in [
            ("indexed_tasks", "namespace, name"),
            ("index_namespaces", "parent, name"),
        ] {
            removed += self
                .connection
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE expires < ?1 LIMIT ?2)"
                ))?
                .execute(params![now, limit])?;
        }
        Ok(removed)
    }
}

/// What `task.extra.index` says, or else goes without saying: rank, data, and until when. None if it makes no sense.
fn how_to_index(definition: &TaskDefinition) -> Option<(f64, Map<String, Value>, DateTime<Utc>)> {
    let options = match definition.extra.get("index") {
        None => &Map::new(),
        Some(options) => options.as_object()?,
    };
    let rank = options.get("rank").map_or(Some(0.0), Value::as_f64)?;
    let data = match options.get("data") {
        None => Map::new(),
        Some(data) => data.as_object()?.clone(),
    };
    let expires = match options.get("expires") {
        None => definition.expires,
        Some(expires) => DateTime::parse_from_rfc3339(expires.as_str()?)
            .ok()?
            .with_timezone(&Utc),
    };
    Some((rank, data, expires))
}

type Columns = (String, String, String, f64, String, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

fn into_indexed((namespace, name, task_id, rank, data, expires): Columns) -> Result<IndexedTask, Failure> {
    Ok(IndexedTask {
        path: path_of(&namespace, &name),
        task_id,
        rank,
        data: serde_json::from_str(&data)?,
        expires: clock::from_millis(expires),
    })
}
