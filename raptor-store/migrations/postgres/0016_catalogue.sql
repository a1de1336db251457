-- Where the catalogue comes from, in one row: the address that it was fetched from and the file, all of it null for the one that
-- comes with Raptor, and a number that grows with each change.
CREATE TABLE catalogue_source (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    url        TEXT,
    document   TEXT,
    sha256     TEXT,
    fetched_at TIMESTAMPTZ,
    revision   BIGINT NOT NULL
);
INSERT INTO catalogue_source (id, revision) VALUES (1, 1);

-- Which template was imported from which entry of the catalogue, and the SHA-256 of the file.
CREATE TABLE catalogue_imports (
    entry_id    TEXT PRIMARY KEY,
    template_id UUID NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
    sha256      TEXT NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX catalogue_imports_template ON catalogue_imports (template_id);
