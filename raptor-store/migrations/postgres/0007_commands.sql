CREATE TABLE container_commands (
    id           UUID PRIMARY KEY,
    container_id UUID NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    user_id      UUID,
    sent_by      TEXT NOT NULL,
    command      TEXT NOT NULL,
    at           TIMESTAMPTZ NOT NULL
);
CREATE INDEX container_commands_container ON container_commands (container_id, id);
