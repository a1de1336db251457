-- Patterns of files that are kept from somebody with access, as a JSON list.
ALTER TABLE container_access ADD COLUMN denied_files JSONB NOT NULL DEFAULT '[]';
