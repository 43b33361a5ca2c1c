-- Mails that wait to be sent. Recipient, subject and text are sealed; a mail is gone once it was sent.
CREATE TABLE mails (
    id TEXT PRIMARY KEY NOT NULL,
    sealed BLOB NOT NULL,
    queued_at TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    give_up_at TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0)
) STRICT;
CREATE INDEX mails_by_next_attempt ON mails (next_attempt_at);

-- Tokens that leave by mail, by their keyed hashes. Those for addresses that nobody has are kept like the others.
CREATE TABLE mail_tokens (
    hash BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    -- The address that it proves.
    email TEXT,
    -- The keyed hash of the address that it went to.
    address BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE INDEX mail_tokens_of_address ON mail_tokens (address, created_at);
CREATE INDEX mail_tokens_of_user ON mail_tokens (user_id, created_at);
CREATE INDEX mail_tokens_by_expiry ON mail_tokens (expires_at);
