//! The tables. Times are milliseconds after 1970.

/// What each version of the tables adds to the one before, from 1 on. The number of the newest is in `PRAGMA user_version`.
///
/// Version 3 adds nothing: directories were made with it before its tables were there, and get these as version 5.
pub(super) const VERSIONS: [&str; 5] = [
    QUEUE,
    super::tables::SERVICES,
    "",
    super::tables::OBJECTS,
    super::tables::WORKERS,
];

/// How the connection behaves: whatever has been acknowledged survives a power cut.
pub(super) const PRAGMAS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 5000;
";

/// Version 1: the queue.
const QUEUE: &str = "
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Permanent clients beside the root client, which is given at start. scopes: a JSON array.
CREATE TABLE clients (
    client_id    TEXT PRIMARY KEY,
    access_token TEXT NOT NULL,
    scopes       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE task_groups (
    task_group_id TEXT PRIMARY KEY,
    scheduler_id  TEXT NOT NULL,
    expires       INTEGER NOT NULL
) WITHOUT ROWID;

-- What never changes. seq: the order in which tasks were made.
CREATE TABLE tasks (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id       TEXT NOT NULL UNIQUE,
    task_group_id TEXT NOT NULL,
    expires       INTEGER NOT NULL,
    definition    TEXT NOT NULL
);
CREATE INDEX tasks_of_group ON tasks (task_group_id, seq);
CREATE INDEX tasks_by_expiry ON tasks (expires);

-- What changes: small rows, so that a transition writes little.
-- pending: a number that grows, while pending; taken_until: while running; due: the deadline, while unresolved.
CREATE TABLE states (
    task_id       TEXT PRIMARY KEY REFERENCES tasks (task_id) ON DELETE CASCADE,
    task_queue_id TEXT NOT NULL,
    priority      INTEGER NOT NULL,
    retries_left  INTEGER NOT NULL,
    runs          TEXT NOT NULL,
    pending       INTEGER,
    taken_until   INTEGER,
    due           INTEGER
) WITHOUT ROWID;
CREATE INDEX states_pending ON states (task_queue_id, priority, pending) WHERE pending IS NOT NULL;
CREATE INDEX states_claimed ON states (taken_until) WHERE taken_until IS NOT NULL;
CREATE INDEX states_due ON states (due) WHERE due IS NOT NULL;

-- any_outcome: whether it need not complete; satisfied: whether it is no longer waited for.
CREATE TABLE dependencies (
    dependent    TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    required     TEXT NOT NULL,
    any_outcome  INTEGER NOT NULL,
    satisfied    INTEGER NOT NULL,
    PRIMARY KEY (dependent, required)
) WITHOUT ROWID;
CREATE INDEX dependencies_by_required ON dependencies (required, dependent);

CREATE TABLE artifacts (
    task_id        TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    run_id         INTEGER NOT NULL,
    name           TEXT NOT NULL,
    expires        INTEGER NOT NULL,
    content_type   TEXT NOT NULL,
    content_length INTEGER,
    details        TEXT NOT NULL,
    PRIMARY KEY (task_id, run_id, name)
) WITHOUT ROWID;
CREATE INDEX artifacts_by_expiry ON artifacts (expires);

-- The bytes that were put for an artifact, and with which headers.
CREATE TABLE contents (
    task_id          TEXT NOT NULL,
    run_id           INTEGER NOT NULL,
    name             TEXT NOT NULL,
    file             TEXT NOT NULL,
    length           INTEGER NOT NULL,
    content_type     TEXT,
    content_encoding TEXT,
    PRIMARY KEY (task_id, run_id, name),
    FOREIGN KEY (task_id, run_id, name) REFERENCES artifacts (task_id, run_id, name)
) WITHOUT ROWID;
";
