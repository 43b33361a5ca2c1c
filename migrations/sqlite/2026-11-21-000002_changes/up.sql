-- What changed, numbered in the order of the commits: the one row of `change_counter` is raised as the last
-- step of the transaction that changed something.

CREATE TABLE change_counter (
    the_one INTEGER PRIMARY KEY DEFAULT 1 CHECK (the_one = 1),
    number  INTEGER NOT NULL
) STRICT;

INSERT INTO change_counter (number) VALUES (0);

CREATE TABLE changes (
    id      INTEGER PRIMARY KEY NOT NULL,
    -- `user`, `key` or `session`, and its id.
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    at      TEXT NOT NULL
) STRICT;
