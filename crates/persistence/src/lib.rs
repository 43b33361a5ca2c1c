//! Postgres and SQLite behind one set of queries
