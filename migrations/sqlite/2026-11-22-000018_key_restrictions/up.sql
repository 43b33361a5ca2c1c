-- Where a key may be used from, as networks joined by commas, and the public names of the models that it may ask,
-- a line each; nothing for everywhere and for all.
ALTER TABLE api_keys ADD COLUMN allowed_ips TEXT;
ALTER TABLE api_keys ADD COLUMN allowed_models TEXT;

-- Secrets that a rotation took from a key and that are good until the grace ends.
CREATE TABLE retired_secrets (
    hash       BLOB PRIMARY KEY NOT NULL,
    key_id     TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    good_until TEXT NOT NULL
) STRICT;

CREATE INDEX retired_secrets_of_key ON retired_secrets (key_id);
CREATE INDEX retired_secrets_by_end ON retired_secrets (good_until);
CREATE INDEX api_keys_made_by ON api_keys (created_by_key) WHERE created_by_key IS NOT NULL;
