-- Users who were deleted, of whom usage events and the audit log still tell. A row leaves when the last of it is
-- erased, also of what was under way when the user was deleted.

CREATE TABLE erasures (
    user_id    TEXT PRIMARY KEY NOT NULL,
    deleted_at TEXT NOT NULL,
    -- How far the running sweep over the events has come, from the newest on.
    mark_time  TEXT,
    mark_id    TEXT,
    -- When the last sweep ended.
    swept_at   TEXT
) STRICT;
