-- Usage events, appended by recorders, and the sums that the fold makes of them. No foreign keys: events
-- outlive what they name.

-- A recorder's connection is a stream; its events are numbered. The fold adds what is past `folded_seq`.
CREATE TABLE event_streams (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    opened_at  TEXT NOT NULL,
    folded_seq INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Nobody appends to stream 0: its row is what a running fold locks where rows can be locked.
INSERT INTO event_streams (id, opened_at) VALUES (0, strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z');

CREATE TABLE usage_events (
    id                TEXT NOT NULL,
    time              TEXT NOT NULL,
    stream            INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    month             INTEGER NOT NULL,
    request_id        TEXT NOT NULL,
    user_id           TEXT NOT NULL,
    api_key_id        TEXT NOT NULL,
    environment       TEXT NOT NULL,
    end_user          TEXT,
    endpoint          TEXT NOT NULL,
    method            TEXT NOT NULL,
    params            TEXT NOT NULL,
    status            INTEGER NOT NULL CHECK (status BETWEEN 100 AND 999),
    counts            INTEGER NOT NULL,
    request_bytes     INTEGER NOT NULL,
    response_bytes    INTEGER NOT NULL,
    duration_ms       INTEGER NOT NULL,
    upstream_ms       INTEGER,
    provider          TEXT,
    model             TEXT,
    upstream_model    TEXT,
    request_type      TEXT NOT NULL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    cached_tokens     INTEGER,
    reasoning_tokens  INTEGER,
    usage_source      TEXT NOT NULL,
    cost_pico         INTEGER,
    own_key           INTEGER NOT NULL,
    repeat            INTEGER NOT NULL,
    ip                TEXT,
    user_agent        TEXT,
    error_code        TEXT,
    PRIMARY KEY (time, id)
) STRICT;

CREATE INDEX usage_events_of_stream ON usage_events (stream, seq);

CREATE TABLE quota_used (
    user_id     TEXT NOT NULL,
    environment TEXT NOT NULL,
    month       INTEGER NOT NULL,
    tokens      INTEGER NOT NULL,
    cost_usd    INTEGER NOT NULL,
    cost_pico   INTEGER NOT NULL,
    PRIMARY KEY (user_id, environment, month)
) STRICT;

-- Money is whole dollars and less than a dollar in pico-dollars, so that no sum outgrows 64 bits.
CREATE TABLE usage_rollups (
    -- Quarter-hours since 1970 (UTC): day = quarter / 96.
    quarter           INTEGER NOT NULL,
    user_id           TEXT NOT NULL,
    api_key_id        TEXT NOT NULL,
    environment       TEXT NOT NULL,
    endpoint          TEXT NOT NULL,
    -- Empty where there was none.
    provider          TEXT NOT NULL,
    model             TEXT NOT NULL,
    request_type      TEXT NOT NULL,
    outcome           TEXT NOT NULL,
    requests          INTEGER NOT NULL,
    successful        INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    tokens            INTEGER NOT NULL,
    cost_usd          INTEGER NOT NULL,
    cost_pico         INTEGER NOT NULL,
    unpriced          INTEGER NOT NULL,
    duration_ms       INTEGER NOT NULL,
    PRIMARY KEY (user_id, quarter, api_key_id, environment, endpoint, provider, model, request_type, outcome)
) STRICT;

CREATE INDEX usage_rollups_of_key ON usage_rollups (api_key_id, quarter);
CREATE INDEX usage_rollups_by_time ON usage_rollups (quarter);

CREATE TABLE usage_latency (
    quarter     INTEGER NOT NULL,
    user_id     TEXT NOT NULL,
    api_key_id  TEXT NOT NULL,
    environment TEXT NOT NULL,
    bucket      INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    PRIMARY KEY (user_id, quarter, api_key_id, environment, bucket)
) STRICT;

CREATE INDEX usage_latency_of_key ON usage_latency (api_key_id, quarter);
CREATE INDEX usage_latency_by_time ON usage_latency (quarter);

CREATE TABLE key_totals (
    key_id        TEXT PRIMARY KEY NOT NULL,
    request_count INTEGER NOT NULL,
    last_used_at  TEXT NOT NULL
) STRICT;
