ALTER TABLE containers ADD COLUMN behaviour JSONB NOT NULL DEFAULT '{}';
ALTER TABLE containers ADD COLUMN installation JSONB NOT NULL DEFAULT '{}';
ALTER TABLE containers ADD COLUMN status JSONB;

ALTER TABLE daemons ADD COLUMN maintenance TEXT;
ALTER TABLE daemons ADD COLUMN event_spool UUID;
ALTER TABLE daemons ADD COLUMN event_number BIGINT NOT NULL DEFAULT 0;

ALTER TABLE allocations ADD COLUMN protocol TEXT NOT NULL DEFAULT 'both' CHECK (protocol IN ('both', 'tcp', 'udp'));

CREATE TABLE registries (
    id              UUID PRIMARY KEY,
    host            TEXT NOT NULL UNIQUE,
    username        TEXT NOT NULL,
    password_sealed BYTEA NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);
