-- Devices that ask to be signed in (RFC 8628). Both codes are known by keyed hashes alone.
CREATE TABLE devices (
    device_hash    bytea PRIMARY KEY,
    user_code_hash bytea NOT NULL UNIQUE,
    client         text,
    -- The address, or the network that counts as one.
    network        text,
    ip             text,
    user_agent     text,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    -- Seconds between two questions, and when the last came.
    pause          integer NOT NULL,
    polled_at      timestamptz,
    -- `waiting`, `approved`, `denied` or `spent`.
    status         text NOT NULL,
    -- Who decided, and in which session: where that has ended, nobody is let in by it.
    user_id        uuid REFERENCES users (id) ON DELETE CASCADE,
    session_id     uuid
);

CREATE INDEX devices_by_expiry ON devices (expires_at);
CREATE INDEX devices_of_network ON devices (network, expires_at);
CREATE INDEX devices_of_user ON devices (user_id) WHERE user_id IS NOT NULL;

-- How many codes that no device showed a user has named since then.
CREATE TABLE device_guesses (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    wrong   integer NOT NULL,
    since   timestamptz NOT NULL
);

CREATE INDEX device_guesses_by_age ON device_guesses (since);
