//! Runs the program as an administrator does, on every database there is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod config;
mod db;
mod import;
mod key_life;
mod keys;
mod lists;
mod support;
mod terminal;
mod users;
