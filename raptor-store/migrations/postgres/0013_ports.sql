-- Which container's process still publishes a free allocation, and the first of its declarations without it. No reference: the
-- container's record may be gone while its process runs on a host that is away.
ALTER TABLE allocations ADD COLUMN held_by UUID;
ALTER TABLE allocations ADD COLUMN held_revision BIGINT;
CREATE INDEX allocations_held ON allocations (held_by) WHERE held_by IS NOT NULL;

-- How many allocations beside the primary one people without `containers.update` may give it. What it has, it may have.
ALTER TABLE containers ADD COLUMN allocation_limit BIGINT NOT NULL DEFAULT 0;
UPDATE containers SET allocation_limit =
    (SELECT CASE WHEN COUNT(*) > 0 THEN COUNT(*) - 1 ELSE 0 END FROM allocations WHERE allocations.container_id = containers.id);

-- The ports that those people are given, as ports and ranges; all free ones where it is empty.
ALTER TABLE daemons ADD COLUMN self_service_ports TEXT;
