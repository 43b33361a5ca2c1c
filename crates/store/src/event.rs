//! Usage events: appended by one writer, folded into sums by one folder.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Environment, KeyId, Time, UsageEvent, UserId};

use crate::StoreError;

/// The most events of one append.
pub const MAX_GROUP: usize = 1_000;

/// A writer's own sequence of events; with a number it names an event's place in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub i64);

/// What one fold did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    /// Events that were added to the sums.
    pub events: u64,
    /// Whether more wait past the cursor.
    pub more: bool,
}

/// One admission that counts in the windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Whose.
    pub user_id: UserId,
    /// With which key.
    pub api_key_id: KeyId,
    /// Live or test.
    pub environment: Environment,
    /// When.
    pub time: Time,
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

    /// Adds at most `limit` events past the cursor to all sums and moves the cursor, in one transaction;
    /// only one fold runs at a time, whoever asks.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn fold(&self, limit: u32, now: Time) -> Result<Folded, StoreError>;

    /// Gives `each` every admission since `since` that counts in the windows, in no order.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn admitted_since(&self, since: Time, each: &mut dyn FnMut(Admitted)) -> Result<(), StoreError>;
}
