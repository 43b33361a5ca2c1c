//! Usage events.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Time, UsageEvent};
use tollgate_store::{Admitted, EventStore, Folded, StoreError, StreamId};

use super::Wrapped;

impl EventStore for Wrapped<dyn EventStore> {
    fn open_stream(&self, now: Time) -> Result<StreamId, StoreError> {
        self.call("events.open_stream", |inner| inner.open_stream(now))
    }

    fn append(
        &self,
        stream: StreamId,
        first_seq: i64,
        events: Arc<[UsageEvent]>,
        patience: Duration,
    ) -> Result<(), StoreError> {
        self.call("events.append", |inner| inner.append(stream, first_seq, events, patience))
    }

    fn fold(&self, limit: u32, now: Time) -> Result<Folded, StoreError> {
        self.call("events.fold", |inner| inner.fold(limit, now))
    }

    fn admitted_since(&self, since: Time, each: &mut dyn FnMut(Admitted)) -> Result<(), StoreError> {
        self.call("events.admitted_since", |inner| inner.admitted_since(since, each))
    }
}
