-- The same as in ../postgres, in SQLite's types.
CREATE TABLE container_commands (
    id           BLOB NOT NULL UNIQUE,
    container_id BLOB NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    user_id      BLOB,
    sent_by      TEXT NOT NULL,
    command      TEXT NOT NULL,
    at           TEXT NOT NULL
) STRICT;
CREATE INDEX container_commands_container ON container_commands (container_id, id);
