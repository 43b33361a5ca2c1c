-- Attempts since the last complete sign-in, by keyed hash: of an email address, whether or not anybody has it, of an
-- email address and a network address that has signed in to it before, or of a user who confirms something.
CREATE TABLE attempts (
    key bytea PRIMARY KEY,
    count bigint NOT NULL,
    locked_until timestamptz,
    last_at timestamptz NOT NULL
);
CREATE INDEX attempts_by_last ON attempts (last_at);

-- Network addresses that have signed in, by keyed hash of the email address and the network address.
CREATE TABLE known_addresses (
    key bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_at timestamptz NOT NULL
);
CREATE INDEX known_addresses_by_user ON known_addresses (user_id);
CREATE INDEX known_addresses_by_last ON known_addresses (last_at);

-- What a network address did, by its keyed hash, in each of the last slots of five minutes.
CREATE TABLE address_hits (
    kind smallint NOT NULL,
    key bytea NOT NULL,
    slot bigint NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (kind, key, slot)
);
CREATE INDEX address_hits_by_slot ON address_hits (slot);
