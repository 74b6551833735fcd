//! Version 5: worker pools and their workers, what workers were seen doing, quarantine, sealed task groups.

pub(in crate::store) const WORKERS: &str = "
-- config: a JSON object.
CREATE TABLE worker_pools (
    worker_pool_id TEXT PRIMARY KEY,
    provider_id    TEXT NOT NULL,
    description    TEXT NOT NULL,
    config         TEXT NOT NULL,
    owner          TEXT NOT NULL,
    email_on_error INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    last_modified  INTEGER NOT NULL
) WITHOUT ROWID;

-- The workers that worker-manager knows. static_secret and registration: fingerprints of secrets; the latter of the one that
-- the next reregistration needs.
CREATE TABLE workers (
    worker_pool_id TEXT NOT NULL,
    worker_group   TEXT NOT NULL,
    worker_id      TEXT NOT NULL,
    provider_id    TEXT NOT NULL,
    state          TEXT NOT NULL,
    capacity       INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    last_modified  INTEGER NOT NULL,
    static_secret  TEXT NOT NULL,
    registration   TEXT,
    PRIMARY KEY (worker_pool_id, worker_group, worker_id)
) WITHOUT ROWID;
CREATE INDEX workers_by_expiry ON workers (expires);

-- seq: the order in which they were reported. extra: a JSON object.
CREATE TABLE worker_pool_errors (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    error_id       TEXT NOT NULL UNIQUE,
    worker_pool_id TEXT NOT NULL,
    reported       INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    title          TEXT NOT NULL,
    description    TEXT NOT NULL,
    extra          TEXT NOT NULL
);
CREATE INDEX worker_pool_errors_of_pool ON worker_pool_errors (worker_pool_id, seq);
CREATE INDEX worker_pool_errors_by_time ON worker_pool_errors (reported);

-- Task queues that tasks were made for or claimed from.
CREATE TABLE task_queues (
    provisioner_id TEXT NOT NULL,
    worker_type    TEXT NOT NULL,
    expires        INTEGER NOT NULL,
    last_active    INTEGER NOT NULL,
    PRIMARY KEY (provisioner_id, worker_type)
) WITHOUT ROWID;
CREATE INDEX task_queues_by_expiry ON task_queues (expires);

-- The workers that the queue knows, because they have claimed or were declared. recent_tasks and quarantine_details: JSON arrays.
CREATE TABLE seen_workers (
    task_queue_id      TEXT NOT NULL,
    worker_group       TEXT NOT NULL,
    worker_id          TEXT NOT NULL,
    expires            INTEGER NOT NULL,
    first_claim        INTEGER NOT NULL,
    last_active        INTEGER NOT NULL,
    recent_tasks       TEXT NOT NULL DEFAULT '[]',
    quarantine_until   INTEGER NOT NULL DEFAULT 0,
    quarantine_details TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (task_queue_id, worker_group, worker_id)
) WITHOUT ROWID;
CREATE INDEX seen_workers_by_expiry ON seen_workers (expires);

-- When no more tasks could be added.
ALTER TABLE task_groups ADD COLUMN sealed INTEGER;

-- started: when the run began, while running.
ALTER TABLE states ADD COLUMN started INTEGER;
UPDATE states SET started = unixepoch(json_extract(runs, '$[#-1].started')) * 1000 WHERE taken_until IS NOT NULL;
CREATE INDEX states_running ON states (task_queue_id, started, task_id) WHERE started IS NOT NULL;
CREATE INDEX states_waiting ON states (task_queue_id, pending) WHERE pending IS NOT NULL;
";
