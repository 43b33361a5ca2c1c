-- Which cookie stands for which session. The cookie is known by a keyed hash alone.
CREATE TABLE web_sessions (
    hash       BLOB PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL UNIQUE REFERENCES sessions (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL
) STRICT;
