//! A writer's stream: every group that it appends has its place, whatever becomes of one without a verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tollgate_domain::{Clock, EventId, UsageEvent};
use tollgate_store::{EventStore, SpoolStore, StoreError, StreamId};

/// How long a stream is used. Streams that are much older get no events any more and need not be folded.
const LONGEST_USE: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Stream {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    open: Option<Open>,
}

struct Open {
    id: StreamId,
    next_seq: i64,
    since: Instant,
}

impl Stream {
    /// Opened when it is first needed.
    pub fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, open: None }
    }

    /// Appends a group and waits `patience` for the verdict. A group without one may come to be on disk
    /// later: the fold goes by numbers, so none that follow may stand on the same stream.
    ///
    /// # Errors
    /// As [`EventStore::append`].
    pub fn append(&mut self, events: &Arc<[UsageEvent]>, patience: Duration) -> Result<(), StoreError> {
        let open = match self.open.take().filter(|open| open.since.elapsed() < LONGEST_USE) {
            Some(open) => open,
            None => {
                Open { id: self.store.open_stream(self.clock.now())?, next_seq: 1, since: Instant::now() }
            }
        };
        let verdict = self.store.append(open.id, open.next_seq, Arc::clone(events), patience);
        match &verdict {
            Ok(()) => {
                let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
                self.open = Some(Open { next_seq: open.next_seq.saturating_add(count), ..open });
            }
            Err(StoreError::Rejected(_)) => self.open = Some(open),
            Err(_no_verdict) => {}
        }
        verdict
    }

    /// Appends events; those that the database refuses are found by halving and kept apart in the spool.
    ///
    /// # Errors
    /// As [`Stream::append`] where it says nothing or cannot be reached; as [`SpoolStore::reject`].
    pub fn append_isolating(
        &mut self,
        events: &Arc<[UsageEvent]>,
        spool: &dyn SpoolStore,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self.append(events, patience) {
            Err(refused @ StoreError::Rejected(_)) => match &**events {
                [] => Ok(()),
                [event] => reject(event, &refused, spool, &*self.clock),
                events => {
                    let (first, second) = events.split_at(events.len() / 2);
                    self.append_isolating(&first.into(), spool, patience)?;
                    self.append_isolating(&second.into(), spool, patience)
                }
            },
            verdict => verdict,
        }
    }
}

/// Keeps an event apart that the database refuses, and raises the alarm.
///
/// # Errors
/// As [`SpoolStore::reject`].
pub fn reject(
    event: &UsageEvent,
    refused: &StoreError,
    spool: &dyn SpoolStore,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    spool.reject(event, &format!("{refused:?}"), clock.now())?;
    tracing::error!(event = %event.id, request_id = event.request_id, error = ?refused,
        "the database refuses an event: it is kept in the spool's table `rejected` and in no sum");
    metrics::counter!("tollgate_record_rejected_total").increment(1);
    Ok(())
}

/// The ids of events.
pub fn ids(events: &[UsageEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}
