-- Calls that carried an Idempotency-Key. Caller, method, path, key and body are known by keyed hashes alone.
CREATE TABLE idempotent_calls (
    hash          bytea PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Of the body and what stands with it.
    fingerprint   bytea NOT NULL,
    -- Who runs it: a run that was taken over commits nothing any more.
    run_id        uuid NOT NULL UNIQUE,
    running_until timestamptz NOT NULL,
    -- Set in the transaction of what the call does.
    done          boolean NOT NULL,
    -- What was answered, sealed.
    answer        bytea,
    expires_at    timestamptz NOT NULL
);

CREATE INDEX idempotent_calls_by_expiry ON idempotent_calls (expires_at);
CREATE INDEX idempotent_calls_of_user ON idempotent_calls (user_id, expires_at);
