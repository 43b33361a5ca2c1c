//! The spool: events on a disk of this machine while the database is away.

use tollgate_domain::{EventId, Time, UsageEvent};

use crate::{OpenRequestStore, StoreError};

/// What lies in a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolDepth {
    /// Events that wait for the database.
    pub waiting: u64,
    /// When the oldest of them was admitted.
    pub oldest: Option<Time>,
    /// Events that the database refused, kept for somebody to look at.
    pub rejected: u64,
}

/// Where events wait that the database could not take, and open requests leave their rows meanwhile.
pub trait SpoolStore: OpenRequestStore {
    /// Puts events behind those that wait, and returns when they are on disk. Events that wait already (by
    /// id) are passed over.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below. No event of the group is there then.
    fn append(&self, events: &[UsageEvent]) -> Result<(), StoreError>;

    /// The events that have waited longest, at most `limit`, in the order in which they came.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn oldest(&self, limit: u32) -> Result<Vec<UsageEvent>, StoreError>;

    /// Takes out events that the database has by now.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn remove(&self, events: &[EventId]) -> Result<(), StoreError>;

    /// Keeps an event apart that the database refuses, and takes it out of those that wait, in one step.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn reject(&self, event: &UsageEvent, reason: &str, now: Time) -> Result<(), StoreError>;

    /// What lies here.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn depth(&self) -> Result<SpoolDepth, StoreError>;
}
