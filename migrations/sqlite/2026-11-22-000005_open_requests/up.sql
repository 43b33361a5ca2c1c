-- Requests that run long, each as the event that it would be if it had ended when it was last kept: what a
-- killed server leaves behind.
CREATE TABLE open_requests (
    id      TEXT PRIMARY KEY NOT NULL,
    kept_at TEXT NOT NULL,
    -- JSON.
    event   TEXT NOT NULL
) STRICT;
