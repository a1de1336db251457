CREATE TABLE roles (
    number      BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id          UUID PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    permissions JSONB NOT NULL,
    builtin     TEXT UNIQUE,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE users (
    number        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id            UUID PRIMARY KEY,
    username      TEXT NOT NULL,
    username_key  TEXT NOT NULL UNIQUE,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE,
    name          TEXT,
    password_hash TEXT NOT NULL,
    role_id       UUID NOT NULL REFERENCES roles (id),
    suspended     BOOLEAN NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    last_seen_at  TIMESTAMPTZ
);
CREATE INDEX users_role ON users (role_id);

CREATE TABLE sessions (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ip           TEXT,
    user_agent   TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE daemons (
    number           BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id               UUID PRIMARY KEY,
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL UNIQUE,
    local            BOOLEAN NOT NULL,
    host             TEXT NOT NULL,
    port             BIGINT NOT NULL,
    tls              BOOLEAN NOT NULL,
    key_sealed       BYTEA NOT NULL,
    memory_limit_mib BIGINT,
    disk_limit_mib   BIGINT,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL
);

CREATE TABLE templates (
    number        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id            UUID PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    author        TEXT NOT NULL,
    description   TEXT NOT NULL,
    source_format TEXT NOT NULL,
    document      JSONB NOT NULL,
    revision      BIGINT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX templates_name ON templates (name_key, id);

CREATE TABLE containers (
    number          BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id              UUID PRIMARY KEY,
    short_id        TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    name_key        TEXT NOT NULL,
    description     TEXT,
    owner_id        UUID NOT NULL REFERENCES users (id),
    daemon_id       UUID NOT NULL REFERENCES daemons (id),
    template_id     UUID NOT NULL REFERENCES templates (id),
    image           TEXT NOT NULL,
    startup         TEXT NOT NULL,
    variables       JSONB NOT NULL,
    limits          JSONB NOT NULL,
    memory_mib      BIGINT NOT NULL,
    disk_mib        BIGINT NOT NULL,
    cpu_percent     BIGINT NOT NULL,
    stop_timeout_ms BIGINT NOT NULL,
    suspended       BOOLEAN NOT NULL,
    deleting        BOOLEAN NOT NULL,
    revision        BIGINT NOT NULL,
    synced_revision BIGINT NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('offline', 'starting', 'running', 'stopping')),
    phase_since     TIMESTAMPTZ NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX containers_owner ON containers (owner_id, name_key, id);
CREATE INDEX containers_name ON containers (name_key, id);
CREATE INDEX containers_created ON containers (created_at, id);
CREATE INDEX containers_daemon ON containers (daemon_id, name_key, id);
CREATE INDEX containers_template ON containers (template_id);

CREATE TABLE allocations (
    number       BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    id           UUID PRIMARY KEY,
    daemon_id    UUID NOT NULL REFERENCES daemons (id) ON DELETE CASCADE,
    ip           TEXT NOT NULL,
    port         BIGINT NOT NULL CHECK (port BETWEEN 1 AND 65535),
    alias        TEXT,
    note         TEXT,
    container_id UUID REFERENCES containers (id),
    is_primary   BOOLEAN NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    UNIQUE (daemon_id, ip, port)
);
CREATE INDEX allocations_container ON allocations (container_id);
CREATE INDEX allocations_free ON allocations (daemon_id, ip, port) WHERE container_id IS NULL;
CREATE UNIQUE INDEX allocations_one_primary ON allocations (container_id) WHERE is_primary;

CREATE TABLE container_access (
    container_id UUID NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    user_id      UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    level        TEXT NOT NULL CHECK (level IN ('admin', 'user', 'custom')),
    permissions  JSONB NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (container_id, user_id)
);
CREATE INDEX container_access_user ON container_access (user_id, container_id);

CREATE TABLE jobs (
    id           UUID PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('declare', 'start', 'remove')),
    daemon_id    UUID NOT NULL REFERENCES daemons (id) ON DELETE CASCADE,
    container_id UUID NOT NULL,
    attempts     BIGINT NOT NULL,
    run_after    TIMESTAMPTZ NOT NULL,
    leased_until TIMESTAMPTZ,
    last_error   TEXT,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_after);
CREATE INDEX jobs_container ON jobs (container_id);

CREATE TABLE activity (
    id           UUID PRIMARY KEY,
    at           TIMESTAMPTZ NOT NULL,
    actor_kind   TEXT NOT NULL CHECK (actor_kind IN ('user', 'system', 'daemon')),
    actor_id     UUID,
    actor_name   TEXT NOT NULL,
    action       TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id   UUID,
    subject_name TEXT NOT NULL,
    container_id UUID,
    ip           TEXT,
    detail       JSONB NOT NULL
);
CREATE INDEX activity_actor ON activity (actor_id, id);
CREATE INDEX activity_container ON activity (container_id, id);
