//! Version 2: roles, what is known of clients, the index, secrets, caches to purge.

/// The role `anonymous` is what everybody may do, signed or not: what Taskcluster's own deployment tool (`docker/tc-admin`) grants
/// it, as far as it concerns the services that are here, but for the names of secrets. Artifacts whose names begin with `public/`
/// are public, all others are not.
pub(in crate::store) const SERVICES: &str = r#"
-- scopes: a JSON array.
CREATE TABLE roles (
    role_id       TEXT PRIMARY KEY,
    description   TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    created       INTEGER NOT NULL,
    last_modified INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO roles VALUES (
    'anonymous',
    'What everybody may do, signed or not.',
    '["auth:current-scopes", "auth:expand-scopes", "auth:get-client:*", "auth:get-role:*", "auth:list-clients",
      "auth:list-roles", "index:find-task:*", "index:list-namespaces:*", "index:list-tasks:*",
      "purge-cache:all-purge-requests", "purge-cache:purge-requests:*", "queue:get-artifact:public/*",
      "queue:get-provisioner:*", "queue:get-task:*", "queue:get-worker-type:*", "queue:get-worker:*",
      "queue:list-artifacts:*", "queue:list-dependent-tasks:*", "queue:list-provisioners", "queue:list-task-group:*",
      "queue:list-worker-types:*", "queue:list-workers:*", "queue:pending-count:*", "queue:status:*",
      "worker-manager:get-worker-pool:*", "worker-manager:get-worker:*", "worker-manager:list-providers",
      "worker-manager:list-worker-pool-errors:*", "worker-manager:list-worker-pools", "worker-manager:list-workers:*"]',
    unixepoch() * 1000,
    unixepoch() * 1000
);

-- What did not expire before expires at the end of the year 3016.
ALTER TABLE clients ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN expires INTEGER NOT NULL DEFAULT 33040137600000;
ALTER TABLE clients ADD COLUMN delete_on_expiration INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN last_modified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN last_date_used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN last_rotated INTEGER NOT NULL DEFAULT 0;

-- data: a JSON object.
CREATE TABLE indexed_tasks (
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    rank      REAL NOT NULL,
    task_id   TEXT NOT NULL,
    data      TEXT NOT NULL,
    expires   INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE INDEX indexed_tasks_by_expiry ON indexed_tasks (expires);

CREATE TABLE index_namespaces (
    parent  TEXT NOT NULL,
    name    TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX index_namespaces_by_expiry ON index_namespaces (expires);

-- secret: a JSON object.
CREATE TABLE secrets (
    name    TEXT PRIMARY KEY,
    secret  TEXT NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX secrets_by_expiry ON secrets (expires);

-- A cache that was made earlier is to be purged.
CREATE TABLE cache_purges (
    worker_pool_id TEXT NOT NULL,
    cache_name     TEXT NOT NULL,
    before         INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    PRIMARY KEY (worker_pool_id, cache_name)
) WITHOUT ROWID;
CREATE INDEX cache_purges_by_expiry ON cache_purges (expires);
"#;
