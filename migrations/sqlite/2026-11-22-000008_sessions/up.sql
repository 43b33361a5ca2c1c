-- The last login or refresh; nothing for sessions that are older than this column: their login.
ALTER TABLE sessions ADD COLUMN last_seen_at TEXT;
-- What a spent token is answered once more, sealed under that token itself; gone with the first use of its
-- successor, or after seconds. At most one token of a session has it: the last that was spent.
ALTER TABLE refresh_tokens ADD COLUMN answer BLOB;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX refresh_tokens_with_answer ON refresh_tokens (spent_at) WHERE answer IS NOT NULL;
