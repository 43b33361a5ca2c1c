-- Users who were deleted, of whom usage events and the audit log still tell. A row leaves when the last of it is
-- erased, also of what was under way when the user was deleted.

CREATE TABLE erasures (
    user_id    uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL,
    -- How far the running sweep over the events has come, from the newest on.
    mark_time  timestamptz,
    mark_id    uuid,
    -- When the last sweep ended.
    swept_at   timestamptz
);
