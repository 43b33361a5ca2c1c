//! Rows, and how they become what the domain knows. A row that cannot be read is `Corrupt`, never a panic.

pub mod device;
pub mod event;
pub mod idempotency;
pub mod key;
pub mod new_event;
pub mod open_request;
pub mod session;
pub mod user;
pub mod windows;

use std::str::FromStr;

use tollgate_store::StoreError;

/// A name that was stored by its text.
pub fn named<T: FromStr>(text: &str, table: &'static str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_unknown| StoreError::Corrupt { table, what })
}
