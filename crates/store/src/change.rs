//! What changed: how every process's memory learns of it.

use tollgate_domain::{KeyId, SessionId, UserId};

use crate::StoreError;

/// Something that memories must forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A user was made, changed or deleted.
    User(UserId),
    /// A key was made, changed or revoked.
    Key(KeyId),
    /// A session was ended.
    Session(SessionId),
}

/// Changes since a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The number of the last of them, or the one asked from where there are none.
    pub upto: i64,
    /// The changes, in the order of their commits.
    pub changes: Vec<Change>,
    /// Whether some are missing (pruned, or numbers skipped): then everything must be forgotten.
    pub gap: bool,
}

/// Where changes are numbered. The number is raised as the last statement of the transaction that changed
/// something, so who has seen a number has seen every change before it.
pub trait ChangeStore: Send + Sync {
    /// The number of the latest change; 0 before the first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn latest(&self) -> Result<i64, StoreError>;

    /// Changes after number `after`, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn since(&self, after: i64, limit: u32) -> Result<Changes, StoreError>;
}

/// Who must know of a change at once in the process that made it. Called after the commit, before the
/// caller has its answer.
pub trait ChangeListener: Send + Sync {
    /// These changes were committed.
    fn changed(&self, changes: &[Change]);
}
