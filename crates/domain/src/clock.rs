//! Time as an argument.

use chrono::{DateTime, TimeDelta, Utc};

/// A moment in UTC, in whole microseconds wherever it is stored (Postgres keeps no more).
pub type Time = DateTime<Utc>;

/// Tells the present time. Only programs have a real one; rules and use cases are given it.
pub trait Clock: Send + Sync {
    /// The present time in UTC, in whole microseconds, never going backwards within a process.
    fn now(&self) -> Time;
}

/// `time` cut to whole microseconds, so that it equals itself after a round trip through a database.
pub fn to_micros(time: Time) -> Time {
    let below = TimeDelta::nanoseconds(i64::from(time.timestamp_subsec_nanos() % 1_000));
    time.checked_sub_signed(below).unwrap_or(time)
}
