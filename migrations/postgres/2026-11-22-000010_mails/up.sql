-- Mails that wait to be sent. Recipient, subject and text are sealed; a mail is gone once it was sent.
CREATE TABLE mails (
    id uuid PRIMARY KEY,
    sealed bytea NOT NULL,
    queued_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    give_up_at timestamptz NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0)
);
CREATE INDEX mails_by_next_attempt ON mails (next_attempt_at);
