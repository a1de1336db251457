-- Patterns of files that are kept from somebody with access, as a JSON list.
ALTER TABLE container_access ADD COLUMN denied_files TEXT NOT NULL DEFAULT '[]';
