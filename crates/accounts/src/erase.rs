//! Erasing what records that outlive a user tell of the person: a step of a background job.

use tollgate_domain::Time;

use crate::{Accounts, AccountsError};

/// Records of a kind that are looked at in one transaction.
const PIECE: u32 = 100;
/// The most pieces of one step; the rest waits for the next.
const MAX_PIECES: u32 = 50;

impl Accounts {
    /// Erases, in bounded pieces, what usage events and the audit log tell of users who were deleted.
    ///
    /// # Errors
    /// The store's; what was erased before stays so.
    pub fn erase_deleted(&self, now: Time) -> Result<(), AccountsError> {
        for _ in 0..MAX_PIECES {
            let Some(user) = self.stores.erasures.due(now)? else { return Ok(()) };
            self.stores.erasures.sweep(user, now, PIECE)?;
        }
        Ok(())
    }
}
