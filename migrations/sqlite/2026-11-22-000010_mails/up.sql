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
