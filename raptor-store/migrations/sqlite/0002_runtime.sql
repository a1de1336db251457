ALTER TABLE containers ADD COLUMN behaviour TEXT NOT NULL DEFAULT '{}';
ALTER TABLE containers ADD COLUMN installation TEXT NOT NULL DEFAULT '{}';
ALTER TABLE containers ADD COLUMN status TEXT;

ALTER TABLE daemons ADD COLUMN maintenance TEXT;
ALTER TABLE daemons ADD COLUMN event_spool BLOB;
ALTER TABLE daemons ADD COLUMN event_number INTEGER NOT NULL DEFAULT 0;

ALTER TABLE allocations ADD COLUMN protocol TEXT NOT NULL DEFAULT 'both' CHECK (protocol IN ('both', 'tcp', 'udp'));

CREATE TABLE registries (
    id              BLOB NOT NULL UNIQUE,
    host            TEXT NOT NULL UNIQUE,
    username        TEXT NOT NULL,
    password_sealed BLOB NOT NULL,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
) STRICT;
