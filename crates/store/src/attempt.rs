//! Attempts to prove who one is: how many there were at an account and from an address, and which addresses have
//! signed in to an account before. All keys are keyed hashes: nothing here tells of anybody.

use chrono::TimeDelta;
use tollgate_domain::{AuditEntry, Time, UserId};

use crate::StoreError;

/// What an address is limited in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressHit {
    /// Logins that did not end in a session.
    FailedLogin,
    /// Wishes to sign up.
    SignUp,
    /// Wishes for a mail.
    Mail,
}

/// What is counted for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressCount {
    /// What it does.
    pub hit: AddressHit,
    /// The keyed hash of the address.
    pub key: [u8; 32],
    /// The most within any hour.
    pub limit: u64,
}

/// One attempt, before anything is checked.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The keyed hash of the account, whether or not there is one.
    pub account: [u8; 32],
    /// The keyed hashes of the account and the address together, the newest pepper's first; none where the address is
    /// not known.
    pub known: Vec<[u8; 32]>,
    /// What it counts for the address.
    pub address: Option<AddressCount>,
    /// So many are admitted before there is a lock.
    pub max_attempts: u32,
    /// How long that lasts.
    pub lock: TimeDelta,
    /// The present time.
    pub now: Time,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// It may be checked.
    Admitted {
        /// Whether a lock has begun with it, unless it ends in a session.
        locks: bool,
    },
    /// It must not be checked: there is a lock until then.
    Locked(Time),
    /// It must not be checked, and has counted nowhere: the address may try again then.
    AddressFull(Time),
}

/// What a complete sign-in does away with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// The account, as in [`Attempt`].
    pub account: [u8; 32],
    /// As in [`Attempt`]. The address is a known one from now on.
    pub known: Vec<[u8; 32]>,
    /// The address whose attempt this was; it did not fail.
    pub address: Option<[u8; 32]>,
}

/// Where attempts are counted.
///
/// An account has a count, and so has each address that has signed in to it within the last
/// [`KNOWN_FOR`]: strangers use up nothing of the latter.
pub trait AttemptStore: Send + Sync {
    /// Counts an attempt, at most as many as are admitted and refused together come at once.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn begin(&self, attempt: &Attempt) -> Result<Attempted, StoreError>;

    /// Counts what an address does where that is less than its limit within any hour (5 minutes more at most); else
    /// gives when one more will fit, and counts nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn count_address(&self, count: &AddressCount, now: Time) -> Result<Option<Time>, StoreError>;

    /// Does away with the counts of `accounts` and, with `user`, of each address that is known to that user, and of
    /// wrong codes of that user's second factor.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn clear(
        &self,
        accounts: &[[u8; 32]],
        user: Option<UserId>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError>;

    /// Forgets what counts nowhere any more, at most `limit` records of each kind; gives how many, 0 where nothing is
    /// left.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError>;
}

/// How long an address that has signed in is a known one.
pub const KNOWN_FOR: TimeDelta = TimeDelta::days(90);
/// How long a count without a lock is kept after its last attempt.
pub const COUNTED_FOR: TimeDelta = TimeDelta::hours(24);
