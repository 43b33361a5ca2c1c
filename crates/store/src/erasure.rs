//! What is left of deleted users in records that outlive them: usage events and the audit log.

use chrono::TimeDelta;
use tollgate_domain::{Time, UserId};

use crate::StoreError;

/// How long after a deletion something about the user may still be written: requests that ran then, and what waits in
/// the spool.
pub const LATECOMERS: TimeDelta = TimeDelta::days(2);
/// How long after a sweep the next one looks for latecomers.
pub const BETWEEN_SWEEPS: TimeDelta = TimeDelta::hours(1);

/// Where deleted users are remembered until nothing tells of them any more. Who deletes a user writes it down in the
/// same transaction.
pub trait ErasureStore: Send + Sync {
    /// A user of whom something may be left to erase at `now`; the longest deleted first.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn due(&self, now: Time) -> Result<Option<UserId>, StoreError>;

    /// Erases addresses, programs, end users and parameters from some of the user's events, and what the audit log
    /// tells of the person from some entries, at most `limit` of each. `false` where the sweep has come to its end;
    /// where that was long enough after the deletion, the user is forgotten.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn sweep(&self, user: UserId, now: Time, limit: u32) -> Result<bool, StoreError>;
}
