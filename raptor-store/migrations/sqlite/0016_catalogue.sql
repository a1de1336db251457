-- The same as in ../postgres, in SQLite's types.
CREATE TABLE catalogue_source (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    url        TEXT,
    document   TEXT,
    sha256     TEXT,
    fetched_at TEXT,
    revision   INTEGER NOT NULL
) STRICT;
INSERT INTO catalogue_source (id, revision) VALUES (1, 1);

CREATE TABLE catalogue_imports (
    entry_id    TEXT NOT NULL PRIMARY KEY,
    template_id BLOB NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
    sha256      TEXT NOT NULL,
    imported_at TEXT NOT NULL
) STRICT;
CREATE INDEX catalogue_imports_template ON catalogue_imports (template_id);
