//! Quota: tokens a calendar month.

use std::fmt;

use chrono::{Datelike, NaiveDate};

use crate::Time;

/// A calendar month in UTC. An event belongs to the month in which it was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Month(i32);

impl Month {
    /// The month of `time`.
    pub fn of(time: Time) -> Self {
        let month = i32::try_from(time.month0()).unwrap_or(0);
        Self(time.year().saturating_mul(12).saturating_add(month))
    }

    /// The month after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its first moment.
    pub fn start(self) -> Time {
        let month = u32::try_from(self.0.rem_euclid(12)).unwrap_or(0).saturating_add(1);
        NaiveDate::from_ymd_opt(self.0.div_euclid(12), month, 1)
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or(Time::MIN_UTC, |first| first.and_utc())
    }

    /// Months since the year 0: how a month is stored.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The month stored as `number`.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Month {
    /// As `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12).saturating_add(1))
    }
}

/// A user's tokens in one month, as they stand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// Tokens that the month allows.
    pub limit: u64,
    /// Tokens used by requests that ended.
    pub used: u64,
    /// Tokens held for requests that still run.
    pub held: u64,
    /// The month.
    pub month: Month,
}

impl QuotaState {
    /// Tokens neither used nor held; 0 after an overrun, never negative.
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_sub(self.held)
    }

    /// When the next month's tokens come.
    pub fn resets_at(&self) -> Time {
        self.month.next().start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn months_turn_in_utc() {
        let last = Month::of(at("2026-12-31T23:59:59.999999Z"));
        assert_eq!(last.to_string(), "2026-12");
        assert_eq!(last.next().to_string(), "2027-01");
        assert_eq!(last.next().start(), at("2027-01-01T00:00:00Z"));
        assert_eq!(Month::of(at("2027-01-01T00:00:00Z")), last.next());
        assert_eq!(Month::from_number(last.number()), last);
    }

    #[test]
    fn an_overrun_leaves_nothing_and_never_less() {
        let month = Month::of(at("2026-11-21T00:00:00Z"));
        assert_eq!(QuotaState { limit: 10, used: 12, held: 3, month }.remaining(), 0);
        assert_eq!(QuotaState { limit: 10, used: 4, held: 3, month }.remaining(), 3);
    }
}
