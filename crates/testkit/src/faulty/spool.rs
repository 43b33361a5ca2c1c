//! The spool.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{EventId, Time, UsageEvent};
use tollgate_store::{OpenRequestStore, SpoolDepth, SpoolStore, StoreError};

use super::Wrapped;

impl SpoolStore for Wrapped<dyn SpoolStore> {
    fn append(&self, events: &[UsageEvent]) -> Result<(), StoreError> {
        self.call("spool.append", |inner| inner.append(events))
    }

    fn oldest(&self, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        self.call("spool.oldest", |inner| inner.oldest(limit))
    }

    fn remove(&self, events: &[EventId]) -> Result<(), StoreError> {
        self.call("spool.remove", |inner| inner.remove(events))
    }

    fn reject(&self, event: &UsageEvent, reason: &str, now: Time) -> Result<(), StoreError> {
        self.call("spool.reject", |inner| inner.reject(event, reason, now))
    }

    fn depth(&self) -> Result<SpoolDepth, StoreError> {
        self.call("spool.depth", |inner| inner.depth())
    }
}

impl OpenRequestStore for Wrapped<dyn SpoolStore> {
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, patience: Duration) -> Result<(), StoreError> {
        self.call("spool.keep", |inner| inner.keep(requests, now, patience))
    }

    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        self.call("spool.kept", |inner| inner.kept(before, limit))
    }

    fn forget(&self, requests: Arc<[EventId]>, patience: Duration) -> Result<(), StoreError> {
        self.call("spool.forget", |inner| inner.forget(requests, patience))
    }
}
