-- Whether the account can do nothing until its user has chosen another password.
ALTER TABLE users ADD COLUMN password_change_required BOOLEAN NOT NULL DEFAULT FALSE;
