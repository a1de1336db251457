-- The level `user` no longer reads files and startup. Accesses of that level that were given before keep exactly what they held.
UPDATE container_access
SET level = 'custom', permissions = '["console.read","console.command","stats.read","power.start","power.stop","power.restart","power.kill","startup.read","network.read","file.read","file.read-content"]'
WHERE level = 'user';

-- A key that was revoked worked for this many hours more while API and daemon were apart. 24 was the default, which is 0 now;
-- other numbers were chosen by an administrator.
UPDATE daemons SET sftp_offline_hours = 0 WHERE sftp_offline_hours = 24;
