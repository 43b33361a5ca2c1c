//! Usage events: appended by one writer, folded into sums by one folder.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Time, UsageEvent};

use crate::StoreError;

/// The most events of one append.
pub const MAX_GROUP: usize = 1_000;

/// A writer's own sequence of events; with a number it names an event's place in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub i64);

/// How far the streams had come at one moment: the number of the newest event of each that had any, by
/// stream. What is folded up to it holds every event that was on disk then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark(pub Arc<[(StreamId, i64)]>);

/// What one piece of a fold did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    /// Events that the cursors have passed.
    pub events: u64,
    /// Whether there is more to do up to the mark.
    pub more: bool,
}

/// Where usage events are kept.
pub trait EventStore: Send + Sync {
    /// Opens a stream of its own for a writer that starts now.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn open_stream(&self, now: Time) -> Result<StreamId, StoreError>;

    /// Appends at most [`MAX_GROUP`] events, numbered from `first_seq` on, and returns when they are on
    /// disk, or after `patience` without a verdict. Events that are there already (by time and id) are
    /// passed over, so a group may be sent again.
    ///
    /// # Errors
    /// `Rejected` when a value is refused: no event of the group is there then. After `Unavailable` there
    /// was perhaps only no verdict, and the group may still come to be on disk: send the same events under
    /// the same numbers again, or go on with a new stream; other events under these numbers might never
    /// be folded.
    fn append(
        &self,
        stream: StreamId,
        first_seq: i64,
        events: Arc<[UsageEvent]>,
        patience: Duration,
    ) -> Result<(), StoreError>;

    /// How far the streams have come.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn mark(&self) -> Result<Mark, StoreError>;

    /// Adds at most `limit` events between the cursors and `until` to all sums, in each stream's order, and
    /// moves the cursors, in one transaction; only one fold runs at a time, whoever asks.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn fold(&self, limit: u32, until: &Mark) -> Result<Folded, StoreError>;

    /// Forgets streams that were opened before `before` and are folded to their end, into the sums and into
    /// the windows; gives how many. Nobody may append to them any more: it would never be folded.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn retire_streams(&self, before: Time) -> Result<u64, StoreError>;
}
