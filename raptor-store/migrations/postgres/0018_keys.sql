-- A known text under each key that every API on this database has to have, by the key's setting.
CREATE TABLE key_canaries (
    name   TEXT NOT NULL PRIMARY KEY CHECK (name IN ('APP_KEY', 'JWT_SECRET')),
    canary BYTEA NOT NULL
);
