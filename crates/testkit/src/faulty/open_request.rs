//! Requests that run long.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{EventId, Time, UsageEvent};
use tollgate_store::{OpenRequestStore, StoreError};

use super::Wrapped;

impl OpenRequestStore for Wrapped<dyn OpenRequestStore> {
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, patience: Duration) -> Result<(), StoreError> {
        self.call("open_requests.keep", |inner| inner.keep(requests, now, patience))
    }

    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        self.call("open_requests.kept", |inner| inner.kept(before, limit))
    }

    fn forget(&self, requests: Arc<[EventId]>, patience: Duration) -> Result<(), StoreError> {
        self.call("open_requests.forget", |inner| inner.forget(requests, patience))
    }
}
