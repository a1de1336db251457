-- What is to be sent and what became of it: a row is committed with the change that it tells of. `sealed` is what is to be said,
-- encrypted under APP_KEY, and there only until the mail is sent or given up.
CREATE TABLE mails (
    id           UUID PRIMARY KEY,
    kind         TEXT NOT NULL,
    user_id      UUID REFERENCES users (id) ON DELETE SET NULL,
    recipient    TEXT,
    sealed       BYTEA,
    attempts     BIGINT NOT NULL,
    run_after    TIMESTAMPTZ NOT NULL,
    leased_until TIMESTAMPTZ,
    expires_at   TIMESTAMPTZ NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    tried_at     TIMESTAMPTZ,
    sent_at      TIMESTAMPTZ,
    given_up_at  TIMESTAMPTZ,
    last_error   TEXT
);
CREATE INDEX mails_due ON mails (run_after) WHERE sealed IS NOT NULL;
CREATE INDEX mails_tried ON mails (tried_at);
CREATE INDEX mails_user ON mails (user_id, kind);

-- When all attempts of one kind from one place are free again, in microseconds since 1970. The keys are digests: people type
-- passwords into the wrong field.
CREATE TABLE attempts (
    digest     BYTEA PRIMARY KEY,
    free_at_us BIGINT NOT NULL
);
CREATE INDEX attempts_free ON attempts (free_at_us);

ALTER TABLE users ADD COLUMN access_notices BOOLEAN NOT NULL DEFAULT TRUE;
