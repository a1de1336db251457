-- The same tables as in ../postgres, in SQLite's types; a test compares the two.
CREATE TABLE roles (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    permissions TEXT NOT NULL,
    builtin     TEXT UNIQUE,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB NOT NULL UNIQUE,
    username      TEXT NOT NULL,
    username_key  TEXT NOT NULL UNIQUE,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE,
    name          TEXT,
    password_hash TEXT NOT NULL,
    role_id       BLOB NOT NULL REFERENCES roles (id),
    suspended     INTEGER NOT NULL,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    last_seen_at  TEXT
) STRICT;
CREATE INDEX users_role ON users (role_id);

CREATE TABLE sessions (
    id           BLOB NOT NULL UNIQUE,
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ip           TEXT,
    user_agent   TEXT,
    created_at   TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE daemons (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    id               BLOB NOT NULL UNIQUE,
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL UNIQUE,
    local            INTEGER NOT NULL,
    host             TEXT NOT NULL,
    port             INTEGER NOT NULL,
    tls              INTEGER NOT NULL,
    key_sealed       BLOB NOT NULL,
    memory_limit_mib INTEGER,
    disk_limit_mib   INTEGER,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL
) STRICT;

CREATE TABLE templates (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    author        TEXT NOT NULL,
    description   TEXT NOT NULL,
    source_format TEXT NOT NULL,
    document      TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL
) STRICT;
CREATE INDEX templates_name ON templates (name_key, id);

CREATE TABLE containers (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              BLOB NOT NULL UNIQUE,
    short_id        TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    name_key        TEXT NOT NULL,
    description     TEXT,
    owner_id        BLOB NOT NULL REFERENCES users (id),
    daemon_id       BLOB NOT NULL REFERENCES daemons (id),
    template_id     BLOB NOT NULL REFERENCES templates (id),
    image           TEXT NOT NULL,
    startup         TEXT NOT NULL,
    variables       TEXT NOT NULL,
    limits          TEXT NOT NULL,
    memory_mib      INTEGER NOT NULL,
    disk_mib        INTEGER NOT NULL,
    cpu_percent     INTEGER NOT NULL,
    stop_timeout_ms INTEGER NOT NULL,
    suspended       INTEGER NOT NULL,
    deleting        INTEGER NOT NULL,
    revision        INTEGER NOT NULL,
    synced_revision INTEGER NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('offline', 'starting', 'running', 'stopping')),
    phase_since     TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
) STRICT;
CREATE INDEX containers_owner ON containers (owner_id, name_key, id);
CREATE INDEX containers_name ON containers (name_key, id);
CREATE INDEX containers_created ON containers (created_at, id);
CREATE INDEX containers_daemon ON containers (daemon_id, name_key, id);
CREATE INDEX containers_template ON containers (template_id);

CREATE TABLE allocations (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL UNIQUE,
    daemon_id    BLOB NOT NULL REFERENCES daemons (id) ON DELETE CASCADE,
    ip           TEXT NOT NULL,
    port         INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    alias        TEXT,
    note         TEXT,
    container_id BLOB REFERENCES containers (id),
    is_primary   INTEGER NOT NULL,
    created_at   TEXT NOT NULL,
    UNIQUE (daemon_id, ip, port)
) STRICT;
CREATE INDEX allocations_container ON allocations (container_id);
CREATE INDEX allocations_free ON allocations (daemon_id, ip, port) WHERE container_id IS NULL;
CREATE UNIQUE INDEX allocations_one_primary ON allocations (container_id) WHERE is_primary;

CREATE TABLE container_access (
    container_id BLOB NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    level        TEXT NOT NULL CHECK (level IN ('admin', 'user', 'custom')),
    permissions  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    PRIMARY KEY (container_id, user_id)
) STRICT;
CREATE INDEX container_access_user ON container_access (user_id, container_id);

CREATE TABLE jobs (
    id           BLOB NOT NULL UNIQUE,
    kind         TEXT NOT NULL CHECK (kind IN ('declare', 'start', 'remove')),
    daemon_id    BLOB NOT NULL REFERENCES daemons (id) ON DELETE CASCADE,
    container_id BLOB NOT NULL,
    attempts     INTEGER NOT NULL,
    run_after    TEXT NOT NULL,
    leased_until TEXT,
    last_error   TEXT,
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (run_after);
CREATE INDEX jobs_container ON jobs (container_id);

CREATE TABLE activity (
    id           BLOB NOT NULL UNIQUE,
    at           TEXT NOT NULL,
    actor_kind   TEXT NOT NULL CHECK (actor_kind IN ('user', 'system', 'daemon')),
    actor_id     BLOB,
    actor_name   TEXT NOT NULL,
    action       TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id   BLOB,
    subject_name TEXT NOT NULL,
    container_id BLOB,
    ip           TEXT,
    detail       TEXT NOT NULL
) STRICT;
CREATE INDEX activity_actor ON activity (actor_id, id);
CREATE INDEX activity_container ON activity (container_id, id);
