-- The same as in ../postgres, in SQLite's types.
CREATE TABLE template_revisions (
    template_id   BLOB NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
    revision      INTEGER NOT NULL,
    source_format TEXT NOT NULL,
    document      TEXT NOT NULL,
    made_by       TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    PRIMARY KEY (template_id, revision)
) STRICT;
INSERT INTO template_revisions (template_id, revision, source_format, document, made_by, created_at)
SELECT id, revision, source_format, document, '', updated_at FROM templates;

ALTER TABLE templates ADD COLUMN source_uuid TEXT;
CREATE INDEX templates_source_uuid ON templates (source_uuid);

ALTER TABLE containers ADD COLUMN template_revision INTEGER NOT NULL DEFAULT 1;
UPDATE containers SET template_revision = (SELECT t.revision FROM templates t WHERE t.id = template_id);
