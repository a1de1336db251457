-- The same as in ../postgres, in SQLite's types; a test compares the two.
CREATE TABLE mails (
    id           BLOB NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    user_id      BLOB REFERENCES users (id) ON DELETE SET NULL,
    recipient    TEXT,
    sealed       BLOB,
    attempts     INTEGER NOT NULL,
    run_after    TEXT NOT NULL,
    leased_until TEXT,
    expires_at   TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    tried_at     TEXT,
    sent_at      TEXT,
    given_up_at  TEXT,
    last_error   TEXT
) STRICT;
CREATE INDEX mails_due ON mails (run_after) WHERE sealed IS NOT NULL;
CREATE INDEX mails_tried ON mails (tried_at);
CREATE INDEX mails_user ON mails (user_id, kind);

CREATE TABLE attempts (
    digest     BLOB NOT NULL PRIMARY KEY,
    free_at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_free ON attempts (free_at_us);

ALTER TABLE users ADD COLUMN access_notices INTEGER NOT NULL DEFAULT 1;
