-- Second factors. Secrets are sealed; codes and tokens are known by keyed hashes alone.
CREATE TABLE second_factors (
    user_id       TEXT PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- What codes are made with, where it is on.
    secret        BLOB,
    -- What was set up and is not on.
    pending       BLOB,
    -- The last step whose code was taken: none up to it is taken again.
    last_step     INTEGER NOT NULL,
    -- Wrong codes in a row, and until when none is taken.
    wrong         INTEGER NOT NULL CHECK (wrong >= 0),
    paused_until  TEXT
) STRICT;

CREATE TABLE backup_codes (
    user_id TEXT NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    used_at TEXT,
    PRIMARY KEY (user_id, hash)
) STRICT;

-- Tokens that stand for the first factor until the second comes.
CREATE TABLE mfa_tokens (
    hash       BLOB PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX mfa_tokens_of_user ON mfa_tokens (user_id);
CREATE INDEX mfa_tokens_by_expiry ON mfa_tokens (expires_at);
