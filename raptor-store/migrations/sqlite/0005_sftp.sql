-- The same tables as in ../postgres, in SQLite's types; a test compares the two.
CREATE TABLE ssh_keys (
    id           BLOB NOT NULL UNIQUE,
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    public_key   TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_used_at TEXT,
    UNIQUE (user_id, fingerprint)
) STRICT;

ALTER TABLE users ADD COLUMN login_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daemons ADD COLUMN sftp_read_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daemons ADD COLUMN sftp_offline_hours INTEGER NOT NULL DEFAULT 24;
