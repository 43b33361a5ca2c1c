-- What changed, numbered in the order of the commits: the one row of `change_counter` is raised as the last
-- step of the transaction that changed something, and so held until its commit.

CREATE TABLE change_counter (
    the_one integer PRIMARY KEY DEFAULT 1 CHECK (the_one = 1),
    number  bigint NOT NULL
);

INSERT INTO change_counter (number) VALUES (0);

CREATE TABLE changes (
    id      bigint PRIMARY KEY,
    -- `user`, `key` or `session`, and its id.
    kind    text NOT NULL,
    subject uuid NOT NULL,
    at      timestamptz NOT NULL
);
