-- The same as in ../postgres, in SQLite's types.
CREATE TABLE image_policy (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    patterns   TEXT NOT NULL,
    for_owners INTEGER NOT NULL,
    revision   INTEGER NOT NULL
) STRICT;
INSERT INTO image_policy (id, patterns, for_owners, revision) VALUES (1, '[]', FALSE, 1);

-- Who chose the image that the template does not name. Images that containers have already stay theirs, whoever chose them: that
-- was not written down, so the name is empty.
ALTER TABLE containers ADD COLUMN image_allowed_by TEXT;
UPDATE containers SET image_allowed_by = ''
WHERE NOT EXISTS (
    SELECT 1 FROM template_revisions r, json_each(r.document, '$.images') offer
    WHERE r.template_id = containers.template_id AND r.revision = containers.template_revision
      AND json_extract(offer.value, '$.image') = containers.image
);
