//! Stores that are away.

use tollgate_domain::{AuditEntry, AuditHead, UserId};
use tollgate_store::{AuditFilter, AuditStore, ChainedRow, ListedEntry, StoreError};

/// Every port that a test's own stores need to have and nobody is to ask: all that it says is `Unavailable`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Absent;

fn absent<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("this test has no such store"))
}

impl AuditStore for Absent {
    fn note(&self, _: &[AuditEntry]) -> Result<(), StoreError> {
        absent()
    }
    fn list(&self, _: Option<i64>, _: u32, _: &AuditFilter) -> Result<Vec<ListedEntry>, StoreError> {
        absent()
    }
    fn rows(&self, _: i64, _: u32) -> Result<Vec<ChainedRow>, StoreError> {
        absent()
    }
    fn head(&self) -> Result<AuditHead, StoreError> {
        absent()
    }
    fn erase(&self, _: UserId, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}
