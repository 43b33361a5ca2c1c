//! Keeps the head of the audit log outside the database.

use std::sync::Arc;

use tollgate_accounts::{Accounts, audit::head::Outside};
use tollgate_domain::AuditHead;
use tollgate_persistence::OutsideHead;

/// The head outside, and what was last said of it.
pub struct Keeper {
    accounts: Arc<Accounts>,
    outside: OutsideHead,
    trouble: Option<String>,
}

impl Keeper {
    /// Keeps the head of these accounts' audit log there.
    pub const fn new(accounts: Arc<Accounts>, outside: OutsideHead) -> Self {
        Self { accounts, outside, trouble: None }
    }

    /// Writes the head where it has moved. What keeps it from that is told once.
    pub fn step(&mut self) {
        let trouble = self.kept().err();
        metrics::gauge!("tollgate_audit_head_stuck").set(if trouble.is_some() { 1.0 } else { 0.0 });
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.trouble.as_ref() != Some(trouble)) {
            tracing::error!("{trouble}");
        }
        self.trouble = trouble;
    }

    fn kept(&self) -> Result<(), String> {
        let at = self.outside.path();
        let outside =
            self.outside.read().map_err(|error| format!("{} cannot be read: {error}", at.display()))?;
        let next = self.accounts.audit_head(outside.as_ref());
        match next.map_err(|error| format!("the audit log's head cannot be read: {error}"))? {
            Outside::IsCurrent => Ok(()),
            Outside::Write(head) => self.write(&head),
            Outside::Broken => Err(format!(
                "the audit log does not hold the row that {} names: it was cut off or changed, or the database is \
                 another one or an older backup. `tollgate-admin audit verify` tells more; where the database was \
                 restored on purpose, remove that file",
                at.display()
            )),
        }
    }

    fn write(&self, head: &AuditHead) -> Result<(), String> {
        let failed = |error| format!("{} cannot be written: {error}", self.outside.path().display());
        self.outside.write(head).map_err(failed)
    }
}
