-- Users, their keys, their sessions. Ids are 32 hexadecimal digits; times are RFC 3339 in UTC with six
-- decimals, so that both sort as text.

CREATE TABLE users (
    id                  TEXT PRIMARY KEY NOT NULL,
    email               TEXT UNIQUE,
    external_id         TEXT UNIQUE,
    name                TEXT,
    -- Email, name and external id in lower case, for searching without case on every database alike.
    search              TEXT NOT NULL,
    password_hash       TEXT,
    role                TEXT NOT NULL,
    tier                TEXT NOT NULL,
    is_active           INTEGER NOT NULL,
    is_verified         INTEGER NOT NULL,
    minute_limit        INTEGER,
    hourly_limit        INTEGER,
    daily_limit         INTEGER,
    monthly_token_limit INTEGER,
    -- Months since the year 0.
    quota_floor_month   INTEGER,
    quota_floor_tokens  INTEGER,
    metadata            TEXT NOT NULL,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id                TEXT PRIMARY KEY NOT NULL,
    user_id           TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- HMAC-SHA-256 with the pepper over the key's SHA-256.
    hash              BLOB NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    kind              TEXT NOT NULL,
    environment       TEXT NOT NULL,
    prefix            TEXT NOT NULL,
    preview           TEXT NOT NULL,
    -- Names joined by commas.
    permissions       TEXT NOT NULL,
    tier              TEXT,
    minute_limit      INTEGER,
    hourly_limit      INTEGER,
    daily_limit       INTEGER,
    -- Which limits an administrator gave: minute 1, hour 2, day 4, tier 8.
    admin_limits      INTEGER NOT NULL,
    is_active         INTEGER NOT NULL,
    disabled_by_admin INTEGER NOT NULL,
    revoked_at        TEXT,
    expires_at        TEXT,
    created_by_key    TEXT,
    -- The secret of an `editor` key, sealed.
    sealed            BLOB,
    metadata          TEXT NOT NULL,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL
) STRICT;

CREATE INDEX api_keys_of_user ON api_keys (user_id, id);
CREATE UNIQUE INDEX api_keys_one_editor ON api_keys (user_id) WHERE kind = 'editor' AND revoked_at IS NULL;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at   TEXT,
    ip         TEXT,
    user_agent TEXT
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id, id);

CREATE TABLE refresh_tokens (
    -- Keyed, like the keys'.
    hash       BLOB PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    spent_at   TEXT
) STRICT;

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
