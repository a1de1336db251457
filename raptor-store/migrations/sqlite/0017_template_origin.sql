-- The same as in ../postgres, in SQLite's types.
-- Where a template came from, as JSON (`Origin` in src/templates/origin.rs); NULL where nobody wrote it down.
ALTER TABLE templates ADD COLUMN origin TEXT;
-- What the last look at its source found, as JSON (`SourceCheck` in src/templates/source.rs); NULL where nobody has looked.
ALTER TABLE templates ADD COLUMN source_check TEXT;
-- When that was. The template whose source was looked at longest ago is next.
ALTER TABLE templates ADD COLUMN source_checked_at TEXT;
-- Where the file can be fetched again; NULL where nowhere. Two templates with the same one come from the same file.
ALTER TABLE templates ADD COLUMN source_address TEXT;
CREATE INDEX templates_source_address ON templates (source_address);
