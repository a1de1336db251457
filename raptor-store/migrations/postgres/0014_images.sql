-- Which images containers may use beside those of their templates, in one row: patterns as a JSON list, whether owners may choose
-- from them, and a number that grows with each change.
CREATE TABLE image_policy (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    patterns   JSONB NOT NULL,
    for_owners BOOLEAN NOT NULL,
    revision   BIGINT NOT NULL
);
INSERT INTO image_policy (id, patterns, for_owners, revision) VALUES (1, '[]', FALSE, 1);

-- Who chose the image that the template does not name. Images that containers have already stay theirs, whoever chose them: that
-- was not written down, so the name is empty.
ALTER TABLE containers ADD COLUMN image_allowed_by TEXT;
UPDATE containers SET image_allowed_by = ''
WHERE NOT EXISTS (
    SELECT 1 FROM template_revisions r
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE WHEN jsonb_typeof(r.document -> 'images') = 'array' THEN r.document -> 'images' ELSE '[]'::jsonb END
    ) AS offer
    WHERE r.template_id = containers.template_id AND r.revision = containers.template_revision
      AND offer ->> 'image' = containers.image
);
