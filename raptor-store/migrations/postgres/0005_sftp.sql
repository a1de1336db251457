CREATE TABLE ssh_keys (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    public_key   TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    UNIQUE (user_id, fingerprint)
);

ALTER TABLE users ADD COLUMN login_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE daemons ADD COLUMN sftp_read_only BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE daemons ADD COLUMN sftp_offline_hours BIGINT NOT NULL DEFAULT 24;
