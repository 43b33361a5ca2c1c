//! Time that stands still.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta};
use tollgate_domain::{Clock, Time};

/// 2026-11-21T12:00:00Z, in seconds since 1970: a Saturday noon, far from the ends of day, month and year.
const NOON: i64 = 1_795_262_400;

/// A clock that shows what it was set to.
#[derive(Debug)]
pub struct FixedClock {
    now: Mutex<Time>,
}

impl FixedClock {
    /// A clock that shows `now`.
    pub const fn at(now: Time) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// A clock at its default time, as ports take it.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self::default())
    }

    /// Sets the time; backwards too, which no real clock does.
    pub fn set(&self, now: Time) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Lets `span` pass.
    pub fn advance(&self, span: TimeDelta) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += span;
    }
}

impl Default for FixedClock {
    /// 2026-11-21T12:00:00Z.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(NOON, 0).expect("a time within the calendar"))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Time {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_when_told() {
        let clock = FixedClock::default();
        assert_eq!(clock.now().to_rfc3339(), "2026-11-21T12:00:00+00:00");
        clock.advance(TimeDelta::seconds(90));
        assert_eq!(clock.now().timestamp(), NOON + 90);
        clock.set(DateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
    }
}
