-- How the API reaches a daemon. Those without TLS go on by HTTP until they answer by HTTPS with their key, and by HTTPS from then on.
ALTER TABLE daemons ADD COLUMN transport TEXT NOT NULL DEFAULT 'pinned';
UPDATE daemons SET transport = CASE WHEN tls THEN 'certificate' WHEN local THEN 'pinned' ELSE 'upgrading' END;
