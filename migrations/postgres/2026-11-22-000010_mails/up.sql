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

-- Tokens that leave by mail, by their keyed hashes. Those for addresses that nobody has are kept like the others.
CREATE TABLE mail_tokens (
    hash bytea PRIMARY KEY NOT NULL,
    purpose text NOT NULL,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    -- The address that it proves.
    email text,
    -- The keyed hash of the address that it went to.
    address bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX mail_tokens_of_address ON mail_tokens (address, created_at);
CREATE INDEX mail_tokens_of_user ON mail_tokens (user_id, created_at);
CREATE INDEX mail_tokens_by_expiry ON mail_tokens (expires_at);
