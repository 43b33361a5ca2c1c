//! The audit log.

use tollgate_domain::{AuditEntry, AuditHead, UserId};
use tollgate_store::{AuditFilter, AuditStore, ChainedRow, ListedEntry, StoreError};

use super::Wrapped;

impl AuditStore for Wrapped<dyn AuditStore> {
    fn note(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        self.call("audit.note", |inner| inner.note(entries))
    }

    fn list(
        &self,
        before: Option<i64>,
        limit: u32,
        filter: &AuditFilter,
    ) -> Result<Vec<ListedEntry>, StoreError> {
        self.call("audit.list", |inner| inner.list(before, limit, filter))
    }

    fn rows(&self, after: i64, limit: u32) -> Result<Vec<ChainedRow>, StoreError> {
        self.call("audit.rows", |inner| inner.rows(after, limit))
    }

    fn head(&self) -> Result<AuditHead, StoreError> {
        self.call("audit.head", |inner| inner.head())
    }

    fn erase(&self, user: UserId, limit: u32) -> Result<u64, StoreError> {
        self.call("audit.erase", |inner| inner.erase(user, limit))
    }
}
