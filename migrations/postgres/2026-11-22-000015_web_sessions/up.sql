-- Which cookie stands for which session. The cookie is known by a keyed hash alone.
CREATE TABLE web_sessions (
    hash       bytea PRIMARY KEY,
    session_id uuid NOT NULL UNIQUE REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);
