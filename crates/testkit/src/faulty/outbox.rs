//! Events that wait to be delivered.

use tollgate_domain::{KeyId, OutboxEvent, Time};
use tollgate_store::{ExpiringKey, OutboxStore, StoreError};

use super::Wrapped;

impl OutboxStore for Wrapped<dyn OutboxStore> {
    fn waiting(&self, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        self.call("outbox.waiting", |inner| inner.waiting(limit))
    }

    fn expiring(&self, now: Time, until: Time, limit: u32) -> Result<Vec<ExpiringKey>, StoreError> {
        self.call("outbox.expiring", |inner| inner.expiring(now, until, limit))
    }

    fn tell_expiring(&self, events: &[(KeyId, OutboxEvent)]) -> Result<u64, StoreError> {
        self.call("outbox.tell_expiring", |inner| inner.tell_expiring(events))
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("outbox.forget", |inner| inner.forget(before, limit))
    }
}
