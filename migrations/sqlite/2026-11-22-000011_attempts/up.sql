-- Attempts since the last complete sign-in, by keyed hash: of an email address, whether or not anybody has it, of an
-- email address and a network address that has signed in to it before, or of a user who confirms something.
CREATE TABLE attempts (
    key BLOB PRIMARY KEY NOT NULL,
    count INTEGER NOT NULL,
    locked_until TEXT,
    last_at TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_last ON attempts (last_at);

-- Network addresses that have signed in, by keyed hash of the email address and the network address.
CREATE TABLE known_addresses (
    key BLOB PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_at TEXT NOT NULL
) STRICT;
CREATE INDEX known_addresses_by_user ON known_addresses (user_id);
CREATE INDEX known_addresses_by_last ON known_addresses (last_at);

-- What a network address did, by its keyed hash, in each of the last slots of five minutes.
CREATE TABLE address_hits (
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    slot INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, key, slot)
) STRICT;
CREATE INDEX address_hits_by_slot ON address_hits (slot);
