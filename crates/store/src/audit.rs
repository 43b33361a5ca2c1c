//! The audit log: entries that were written together with what they tell of, each chained to the one before.

use tollgate_domain::{AuditEntry, AuditHead, AuditRow, Personal, UserId};

use crate::StoreError;

/// A row of the chain as it stands in the database, with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedRow {
    /// The row.
    pub row: AuditRow,
    /// The hash that stands beside it.
    pub hash: Vec<u8>,
}

/// A row as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// The row.
    pub row: AuditRow,
    /// What tells of the person, unless that was erased.
    pub personal: Option<Personal>,
}

/// Which entries a list has.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those with this action.
    pub action: Option<String>,
    /// Only those whose actor or subject has this id.
    pub about: Option<uuid::Uuid>,
}

/// Where the audit log is kept. Entries are written by the methods of other stores, in the transaction of what they
/// tell of: without its entry nothing is done.
pub trait AuditStore: Send + Sync {
    /// Writes entries of what changes nothing else, such as a refused login.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn note(&self, entries: &[AuditEntry]) -> Result<(), StoreError>;

    /// Entries before place `before` (the newest without), newest first, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn list(
        &self,
        before: Option<i64>,
        limit: u32,
        filter: &AuditFilter,
    ) -> Result<Vec<ListedEntry>, StoreError>;

    /// Rows after place `after`, in their order, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn rows(&self, after: i64, limit: u32) -> Result<Vec<ChainedRow>, StoreError>;

    /// The head as the database names it.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn head(&self) -> Result<AuditHead, StoreError>;

    /// Erases what tells of this person from at most `limit` entries; gives from how many. The chain stays whole.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn erase(&self, user: UserId, limit: u32) -> Result<u64, StoreError>;
}
