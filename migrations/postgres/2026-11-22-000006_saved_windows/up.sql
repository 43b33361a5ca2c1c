-- Each key's windows of admissions, saved every minute: what a server that starts restores its counters from.
-- A user's are those of their keys, merged.
CREATE TABLE saved_windows (
    api_key_id  uuid NOT NULL,
    environment text NOT NULL,
    user_id     uuid NOT NULL,
    -- The quarter-hour (since 1970, UTC) of the newest admission: not its time, so that the index below moves
    -- at most four times an hour.
    quarter     integer NOT NULL,
    -- See `domain::window::bytes`.
    windows     bytea NOT NULL,
    PRIMARY KEY (api_key_id, environment)
) WITH (fillfactor = 60);

CREATE INDEX saved_windows_by_time ON saved_windows (quarter);

-- How far the windows hold a stream's events. From the beginning: the first start after this migration passes
-- over all that there is, and keeps what lies in the last day.
ALTER TABLE event_streams ADD COLUMN windows_seq bigint NOT NULL DEFAULT 0;

-- Rows that are added to again and again: with room in their pages, their indexes stay as they are.
ALTER TABLE key_totals SET (fillfactor = 60);
ALTER TABLE quota_used SET (fillfactor = 60);
ALTER TABLE usage_rollups SET (fillfactor = 60);
ALTER TABLE usage_latency SET (fillfactor = 60);
