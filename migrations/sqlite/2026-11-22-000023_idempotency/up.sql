-- Calls that carried an Idempotency-Key. Caller, method, path, key and body are known by keyed hashes alone.
CREATE TABLE idempotent_calls (
    hash          BLOB PRIMARY KEY NOT NULL,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Of the body and what stands with it.
    fingerprint   BLOB NOT NULL,
    -- Who runs it: a run that was taken over commits nothing any more.
    run_id        TEXT NOT NULL UNIQUE,
    running_until TEXT NOT NULL,
    -- Set in the transaction of what the call does.
    done          INTEGER NOT NULL CHECK (done IN (0, 1)),
    -- What was answered, sealed.
    answer        BLOB,
    expires_at    TEXT NOT NULL
) STRICT;

CREATE INDEX idempotent_calls_by_expiry ON idempotent_calls (expires_at);
CREATE INDEX idempotent_calls_of_user ON idempotent_calls (user_id, expires_at);
