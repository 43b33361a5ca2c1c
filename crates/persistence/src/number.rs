//! Counts between Rust's unsigned and the databases' signed integers.

use tollgate_store::StoreError;

/// The highest count of one event that is kept: no request comes near it, and sums of many stay in range.
pub const MAX_COUNT: i64 = 1_000_000_000_000;

/// A limit or a number that the caller has bounded.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count of one event, at most [`MAX_COUNT`].
pub fn counted(number: u64) -> i64 {
    stored(number).min(MAX_COUNT)
}

/// A stored number, which no version of Tollgate writes negative.
pub fn read(number: i64, table: &'static str, what: &'static str) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_negative| StoreError::Corrupt { table, what })
}

/// The same of a number that may be missing.
pub fn read_optional(
    number: Option<i64>,
    table: &'static str,
    what: &'static str,
) -> Result<Option<u64>, StoreError> {
    number.map(|number| read(number, table, what)).transpose()
}
