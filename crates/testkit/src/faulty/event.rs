//! Usage events.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Time, UsageEvent};
use tollgate_store::{EventStore, Folded, Mark, StoreError, StreamId};

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

    fn mark(&self) -> Result<Mark, StoreError> {
        self.call("events.mark", |inner| inner.mark())
    }

    fn fold(&self, limit: u32, until: &Mark) -> Result<Folded, StoreError> {
        self.call("events.fold", |inner| inner.fold(limit, until))
    }

    fn retire_streams(&self, before: Time) -> Result<u64, StoreError> {
        self.call("events.retire_streams", |inner| inner.retire_streams(before))
    }
}
