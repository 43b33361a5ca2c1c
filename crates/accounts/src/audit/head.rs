//! The head of the audit log outside the database: a step of a background job.

use tollgate_domain::AuditHead;

use crate::{Accounts, AccountsError};

/// What is to be done with the head outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Nothing: it is the log's head.
    IsCurrent,
    /// Write this one in its place.
    Write(AuditHead),
    /// Leave it: the row that it names is not there any more, or another.
    Broken,
}

impl Accounts {
    /// What is to be done with `outside`, the head that was written last. A log that does not hold its row any more
    /// was cut off, changed, or comes from a backup: its head takes nothing's place.
    ///
    /// # Errors
    /// The store's.
    pub fn audit_head(&self, outside: Option<&AuditHead>) -> Result<Outside, AccountsError> {
        if let Some(outside) = outside.filter(|outside| outside.seq > 0) {
            let named = self.stores.audit.rows(outside.seq.saturating_sub(1), 1)?;
            let same = |row: &tollgate_store::ChainedRow| {
                row.row.seq == outside.seq && row.hash.as_slice() == outside.hash
            };
            if !named.first().is_some_and(same) {
                return Ok(Outside::Broken);
            }
        }
        let head = self.stores.audit.head()?;
        Ok(if outside == Some(&head) { Outside::IsCurrent } else { Outside::Write(head) })
    }
}
