-- The hashes of all keys that were ever imported: one that was rotated or deleted since is not brought back by
-- importing it again.
CREATE TABLE imported_keys (
    hash BLOB PRIMARY KEY NOT NULL
) STRICT;
