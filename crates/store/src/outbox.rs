//! What the outside is told of. Who changes something writes it down in the same transaction.

use tollgate_domain::{KeyId, OutboxEvent, Time, UserId};

use crate::StoreError;

/// A key that expires soon, of which nobody was told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiringKey {
    /// The key.
    pub id: KeyId,
    /// Its owner.
    pub user_id: UserId,
}

/// Where events wait to be delivered. That a key was made, rotated or revoked is written down by whatever does it.
pub trait OutboxStore: Send + Sync {
    /// Events that wait, at most `limit`; those of one key in the order in which they happened.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn waiting(&self, limit: u32) -> Result<Vec<OutboxEvent>, StoreError>;

    /// Keys that are not revoked, expire after `now` and not after `until`, and of which nobody was told, those that
    /// expire first before others; at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn expiring(&self, now: Time, until: Time, limit: u32) -> Result<Vec<ExpiringKey>, StoreError>;

    /// Writes down that keys expire, each but once; gives of how many.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was written then.
    fn tell_expiring(&self, events: &[(KeyId, OutboxEvent)]) -> Result<u64, StoreError>;

    /// Forgets events from before `before`, at most `limit`; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError>;
}
