-- Users, their keys, their sessions. Everything of Tollgate lives in the schema `tollgate`, which is made,
-- and first in the search path, before any migration runs.

CREATE TABLE users (
    id                  uuid PRIMARY KEY,
    email               text UNIQUE,
    external_id         text UNIQUE,
    name                text,
    -- Email, name and external id in lower case, for searching without case on every database alike.
    search              text NOT NULL,
    password_hash       text,
    role                text NOT NULL,
    tier                text NOT NULL,
    is_active           boolean NOT NULL,
    is_verified         boolean NOT NULL,
    minute_limit        bigint,
    hourly_limit        bigint,
    daily_limit         bigint,
    monthly_token_limit bigint,
    -- Months since the year 0.
    quota_floor_month   integer,
    quota_floor_tokens  bigint,
    metadata            text NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id                uuid PRIMARY KEY,
    user_id           uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- HMAC-SHA-256 with the pepper over the key's SHA-256.
    hash              bytea NOT NULL UNIQUE,
    name              text NOT NULL,
    kind              text NOT NULL,
    environment       text NOT NULL,
    prefix            text NOT NULL,
    preview           text NOT NULL,
    -- Names joined by commas.
    permissions       text NOT NULL,
    tier              text,
    minute_limit      bigint,
    hourly_limit      bigint,
    daily_limit       bigint,
    -- Which limits an administrator gave: minute 1, hour 2, day 4, tier 8.
    admin_limits      integer NOT NULL,
    is_active         boolean NOT NULL,
    disabled_by_admin boolean NOT NULL,
    revoked_at        timestamptz,
    expires_at        timestamptz,
    created_by_key    uuid,
    -- The secret of an `editor` key, sealed.
    sealed            bytea,
    metadata          text NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);

CREATE INDEX api_keys_of_user ON api_keys (user_id, id);
CREATE UNIQUE INDEX api_keys_one_editor ON api_keys (user_id) WHERE kind = 'editor' AND revoked_at IS NULL;

CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    ip         text,
    user_agent text
);

CREATE INDEX sessions_of_user ON sessions (user_id, id);

CREATE TABLE refresh_tokens (
    -- Keyed, like the keys'.
    hash       bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    spent_at   timestamptz
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
