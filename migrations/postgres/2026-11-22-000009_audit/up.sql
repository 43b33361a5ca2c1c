-- The audit log: a chain of keyed hashes. What tells of a person lies beside it, so that it can be erased without
-- breaking the chain.

CREATE TABLE audit_log (
    seq     bigint PRIMARY KEY,
    id      uuid NOT NULL,
    at      timestamptz NOT NULL,
    -- `user:<id>`, `key:<id>`, `anonymous`, `tollgate-admin` or `system`.
    actor   text NOT NULL,
    action  text NOT NULL,
    -- `<kind>:<id>`, or nothing.
    subject text NOT NULL,
    -- HMAC-SHA-256 with the pepper over the hash before and this row.
    hash    bytea NOT NULL
);

CREATE INDEX audit_log_by_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_by_subject ON audit_log (subject, seq);

CREATE TABLE audit_personal (
    seq        bigint PRIMARY KEY,
    user_id    uuid,
    ip         text,
    user_agent text,
    email      text
);

CREATE INDEX audit_personal_of_user ON audit_personal (user_id) WHERE user_id IS NOT NULL;

-- The last row. Whoever adds one holds this.
CREATE TABLE audit_head (
    the_one integer PRIMARY KEY DEFAULT 1 CHECK (the_one = 1),
    seq     bigint NOT NULL,
    hash    bytea NOT NULL
);

INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
