//! Attempts.

use tollgate_domain::{AuditEntry, Time, UserId};
use tollgate_store::{AddressCount, Attempt, AttemptStore, Attempted, StoreError};

use super::Wrapped;

impl AttemptStore for Wrapped<dyn AttemptStore> {
    fn begin(&self, attempt: &Attempt) -> Result<Attempted, StoreError> {
        self.call("attempts.begin", |inner| inner.begin(attempt))
    }

    fn count_address(&self, count: &AddressCount, now: Time) -> Result<Option<Time>, StoreError> {
        self.call("attempts.count_address", |inner| inner.count_address(count, now))
    }

    fn clear(
        &self,
        accounts: &[[u8; 32]],
        user: Option<UserId>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        self.call("attempts.clear", |inner| inner.clear(accounts, user, audit))
    }

    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("attempts.forget", |inner| inner.forget(now, limit))
    }
}
