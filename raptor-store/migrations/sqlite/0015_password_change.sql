-- Whether the account can do nothing until its user has chosen another password.
ALTER TABLE users ADD COLUMN password_change_required INTEGER NOT NULL DEFAULT 0;
