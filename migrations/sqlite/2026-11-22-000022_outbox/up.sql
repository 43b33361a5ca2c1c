-- What the outside is to be told of, written in the transaction that did it. A row leaves when it was delivered, or
-- when it is too old to be.
CREATE TABLE outbox (
    -- In the order in which it was written: what befell one key stands in its order.
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL,
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    -- Whose event it is. Not a reference: that a user was deleted is told as well.
    user_id TEXT NOT NULL,
    -- A JSON object, by kind.
    data    TEXT NOT NULL
) STRICT;

CREATE INDEX outbox_by_time ON outbox (at);

-- Whether it was told that the key expires.
ALTER TABLE api_keys ADD COLUMN expiry_told INTEGER NOT NULL DEFAULT 0;

CREATE INDEX api_keys_expiring ON api_keys (expires_at) WHERE NOT expiry_told AND revoked_at IS NULL;
