//! How often a user may call outside the gate, in memory.

use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use tollgate_domain::{Time, UserId, WindowKind, window::WindowTable};

use crate::problem::Problem;

/// The most users of whom something is remembered.
const MAX_USERS: usize = 100_000;

/// What each user called outside the gate.
pub struct ManagementCalls {
    per_minute: u64,
    seen: Mutex<WindowTable<UserId>>,
    seen_by_key: Mutex<WindowTable<UserId>>,
}

impl ManagementCalls {
    /// At most `per_minute` calls of a user within any minute.
    pub fn new(per_minute: u64) -> Self {
        let nobody = || Mutex::new(WindowTable::new(WindowKind::Minute, MAX_USERS));
        Self { per_minute, seen: nobody(), seen_by_key: nobody() }
    }

    /// Counts a call of `user` in person.
    ///
    /// # Errors
    /// 429 where there were as many as there may be; then it has not counted.
    pub fn admit(&self, user: UserId, now: Time) -> Result<(), Problem> {
        self.count(&self.seen, user, now)
    }

    /// Counts a call by one of the keys of `user`, apart: whoever has stolen a key and calls as often as there may be does
    /// not keep its owner from finding and revoking it.
    ///
    /// # Errors
    /// As [`ManagementCalls::admit`].
    pub fn admit_by_key(&self, user: UserId, now: Time) -> Result<(), Problem> {
        self.count(&self.seen_by_key, user, now)
    }

    fn count(&self, seen: &Mutex<WindowTable<UserId>>, user: UserId, now: Time) -> Result<(), Problem> {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.admit(user, self.per_minute, now).map_err(|free_at| {
            let milliseconds = u64::try_from((free_at - now).num_milliseconds()).unwrap_or(0);
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                format!(
                    "A user makes at most {} calls a minute beside those to models; try again later.",
                    self.per_minute
                ),
            )
            .retry_after(milliseconds.div_ceil(1_000).max(1))
        })
    }
}
