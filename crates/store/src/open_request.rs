//! Requests that run long: how far each had come, should the process be killed.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{EventId, Time, UsageEvent};

use crate::StoreError;

/// Where open requests leave their rows, so that a next start can record them.
pub trait OpenRequestStore: Send + Sync {
    /// Keeps how far requests have come: for each the event that it would be if it ended now. A later one
    /// takes the place of an earlier one of the same id, in whichever order they are written. Waits for `patience`
    /// at most.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below. Without a verdict the rows may be there all the same.
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, patience: Duration) -> Result<(), StoreError>;

    /// Rows that were last kept before `before`, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError>;

    /// Forgets requests that are recorded. Waits for `patience` at most.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, requests: Arc<[EventId]>, patience: Duration) -> Result<(), StoreError>;
}
