-- Settings of a container that no query filters or sorts on are one JSON column from now on.
ALTER TABLE containers ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
UPDATE containers SET settings = json_object('stop_timeout_ms', stop_timeout_ms, 'allocation_limit', allocation_limit);
ALTER TABLE containers DROP COLUMN stop_timeout_ms;
ALTER TABLE containers DROP COLUMN allocation_limit;
