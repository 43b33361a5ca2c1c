//! What is left of deleted users.

use tollgate_domain::{Time, UserId};
use tollgate_store::{ErasureStore, StoreError};

use super::Wrapped;

impl ErasureStore for Wrapped<dyn ErasureStore> {
    fn due(&self, now: Time) -> Result<Option<UserId>, StoreError> {
        self.call("erasures.due", |inner| inner.due(now))
    }

    fn sweep(&self, user: UserId, now: Time, limit: u32) -> Result<bool, StoreError> {
        self.call("erasures.sweep", |inner| inner.sweep(user, now, limit))
    }
}
