//! Calls that carry an `Idempotency-Key`, and what they were answered.
//!
//! A run is marked as done by what it does: every [`AuditEntry`](tollgate_domain::AuditEntry) that names it marks it in
//! its own transaction, and where the run is nobody's any more that transaction is refused. So what such a call does is
//! done once, however often it is begun.

use tollgate_domain::{RunId, Time, UserId};

use crate::StoreError;

/// A call that is to be run, unless it was.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// What the run is called.
    pub id: RunId,
    /// Whose call it is.
    pub user: UserId,
    /// The keyed hashes under which the call may be known, the newest first.
    pub hashes: Vec<[u8; 32]>,
    /// The same of what it asks for.
    pub fingerprints: Vec<[u8; 32]>,
    /// The present time.
    pub now: Time,
    /// Until when nobody else takes it over.
    pub running_until: Time,
    /// Until when it is known.
    pub expires_at: Time,
    /// The most calls of a user that are known at once.
    pub max_of_user: u32,
}

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunBegun {
    /// Nothing, or that a run of it came to nothing: this run has it.
    Mine,
    /// Another run has it.
    Running,
    /// It asked for something else.
    Other,
    /// It was done, and this was the answer.
    Answered {
        /// The hash under which it is known.
        hash: [u8; 32],
        /// What was answered, sealed.
        answer: Vec<u8>,
    },
    /// It was done, and what was answered got lost.
    Lost,
    /// It is new, and its user has as many as may be known.
    TooMany {
        /// When the next of them is forgotten.
        until: Time,
    },
}

/// Where calls are kept. What is expired at the present time is as if it were not there.
pub trait IdempotencyStore: Send + Sync {
    /// Begins a run, if none was begun; takes one over whose time is up and that has done nothing. Of any number that
    /// begin at once, one has it.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn begin(&self, run: &NewRun) -> Result<RunBegun, StoreError>;

    /// Keeps what a run was answered, sealed, and marks it as done; `false` where the run has the call no more.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn keep(&self, run: RunId, answer: &[u8]) -> Result<bool, StoreError>;

    /// Forgets a run, so that the call can be run anew; one that is marked as done only with `even_if_done`. What the
    /// run is still about to commit is refused from now on.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn release(&self, run: RunId, even_if_done: bool) -> Result<(), StoreError>;

    /// Forgets at most `limit` calls that expired before `now`; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError>;
}
