-- Requests that run long, each as the event that it would be if it had ended when it was last kept: what a
-- killed server leaves behind. Unlogged would do for a killed server, but not for a killed database.
CREATE TABLE open_requests (
    id      uuid PRIMARY KEY,
    kept_at timestamptz NOT NULL,
    -- JSON.
    event   text NOT NULL
);
