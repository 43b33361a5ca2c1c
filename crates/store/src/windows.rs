//! Saved windows: what a server that starts restores its counters from, instead of a day of events.

use tollgate_domain::{Environment, KeyId, Time, UserId, Windows};

use crate::{Folded, Mark, StoreError};

/// The windows of one key, as far as they were saved. A user's windows are those of their keys, merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedWindows {
    /// Whose key.
    pub user_id: UserId,
    /// The key.
    pub api_key_id: KeyId,
    /// Live or test.
    pub environment: Environment,
    /// What was admitted.
    pub windows: Windows,
}

/// Where windows are saved.
pub trait WindowStore: Send + Sync {
    /// Merges the admissions that count of at most `limit` events between the windows' own cursors and
    /// `until` into their keys' windows and moves the cursors, in one transaction; only one runs at a time,
    /// whoever asks. Forgets, a bounded number at a time, windows that nothing lies inside of any more at
    /// `now`, and passes admissions by that lie inside of none.
    ///
    /// # Errors
    /// See [`StoreError`]; so below. `Corrupt` where what was saved cannot be read.
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<Folded, StoreError>;

    /// Gives `each` every key's windows, in no order.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn load(&self, each: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError>;
}
