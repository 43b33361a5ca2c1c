-- Devices that ask to be signed in (RFC 8628). Both codes are known by keyed hashes alone.
CREATE TABLE devices (
    device_hash    BLOB PRIMARY KEY NOT NULL,
    user_code_hash BLOB NOT NULL UNIQUE,
    client         TEXT,
    -- The address, or the network that counts as one.
    network        TEXT,
    ip             TEXT,
    user_agent     TEXT,
    created_at     TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    -- Seconds between two questions, and when the last came.
    pause          INTEGER NOT NULL,
    polled_at      TEXT,
    -- `waiting`, `approved`, `denied` or `spent`.
    status         TEXT NOT NULL,
    -- Who decided, and in which session: where that has ended, nobody is let in by it.
    user_id        TEXT REFERENCES users (id) ON DELETE CASCADE,
    session_id     TEXT
) STRICT;

CREATE INDEX devices_by_expiry ON devices (expires_at);
CREATE INDEX devices_of_network ON devices (network, expires_at);
CREATE INDEX devices_of_user ON devices (user_id) WHERE user_id IS NOT NULL;

-- How many codes that no device showed a user has named since then.
CREATE TABLE device_guesses (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    wrong   INTEGER NOT NULL,
    since   TEXT NOT NULL
) STRICT;

CREATE INDEX device_guesses_by_age ON device_guesses (since);
