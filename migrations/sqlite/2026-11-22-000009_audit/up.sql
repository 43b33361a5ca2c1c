-- The audit log: a chain of keyed hashes. What tells of a person lies beside it, so that it can be erased without
-- breaking the chain.

CREATE TABLE audit_log (
    seq     INTEGER PRIMARY KEY NOT NULL,
    id      TEXT NOT NULL,
    at      TEXT NOT NULL,
    -- `user:<id>`, `key:<id>`, `anonymous`, `tollgate-admin` or `system`.
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    -- `<kind>:<id>`, or nothing.
    subject TEXT NOT NULL,
    -- HMAC-SHA-256 with the pepper over the hash before and this row.
    hash    BLOB NOT NULL
) STRICT;

CREATE INDEX audit_log_by_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_by_subject ON audit_log (subject, seq);

CREATE TABLE audit_personal (
    seq        INTEGER PRIMARY KEY NOT NULL,
    user_id    TEXT,
    ip         TEXT,
    user_agent TEXT,
    email      TEXT
) STRICT;

CREATE INDEX audit_personal_of_user ON audit_personal (user_id) WHERE user_id IS NOT NULL;

-- The last row. Whoever adds one holds this.
CREATE TABLE audit_head (
    the_one INTEGER PRIMARY KEY DEFAULT 1 CHECK (the_one = 1),
    seq     INTEGER NOT NULL,
    hash    BLOB NOT NULL
) STRICT;

INSERT INTO audit_head (seq, hash) VALUES (0, zeroblob(32));
