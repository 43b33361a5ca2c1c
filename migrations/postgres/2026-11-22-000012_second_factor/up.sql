-- Second factors. Secrets are sealed; codes and tokens are known by keyed hashes alone.
CREATE TABLE second_factors (
    user_id       uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- What codes are made with, where it is on.
    secret        bytea,
    -- What was set up and is not on.
    pending       bytea,
    -- The last step whose code was taken: none up to it is taken again.
    last_step     bigint NOT NULL,
    -- Wrong codes in a row, and until when none is taken.
    wrong         integer NOT NULL CHECK (wrong >= 0),
    paused_until  timestamptz
);

CREATE TABLE backup_codes (
    user_id uuid NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash    bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, hash)
);

-- Tokens that stand for the first factor until the second comes.
CREATE TABLE mfa_tokens (
    hash       bytea PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX mfa_tokens_of_user ON mfa_tokens (user_id);
CREATE INDEX mfa_tokens_by_expiry ON mfa_tokens (expires_at);
