-- What the outside is to be told of, written in the transaction that did it. A row leaves when it was delivered, or
-- when it is too old to be.
CREATE TABLE outbox (
    -- In the order in which it was written: what befell one key stands in its order.
    seq     bigserial PRIMARY KEY,
    id      uuid NOT NULL,
    at      timestamptz NOT NULL,
    kind    text NOT NULL,
    -- Whose event it is. Not a reference: that a user was deleted is told as well.
    user_id uuid NOT NULL,
    -- A JSON object, by kind.
    data    text NOT NULL
);

CREATE INDEX outbox_by_time ON outbox (at);

-- Whether it was told that the key expires.
ALTER TABLE api_keys ADD COLUMN expiry_told boolean NOT NULL DEFAULT false;

CREATE INDEX api_keys_expiring ON api_keys (expires_at) WHERE NOT expiry_told AND revoked_at IS NULL;
