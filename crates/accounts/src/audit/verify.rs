//! Whether the audit log is whole: no row changed, moved or taken away.

use tollgate_domain::{AuditHead, Pepper, audit::BEGINNING};
use tollgate_store::{AuditStore, ChainedRow};

use crate::{Accounts, AccountsError};

/// Rows that are read at a time.
const PIECE: u32 = 1_000;

/// What is wrong with the first row that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its hash does not fit what stands there and before it.
    #[error("row {0} was changed or moved")]
    Changed(i64),
    /// It is not there.
    #[error("row {0} is missing: it was deleted, moved or cut off")]
    Missing(i64),
    /// It stands behind the last row that the log knows of.
    #[error("row {0} stands behind the end of the log: the end was moved back, or the row was added")]
    Beyond(i64),
    /// It is not the row that stood there when the head was last written outside the database.
    #[error("row {0} is not the one that the head outside the database names")]
    Replaced(i64),
}

/// What came of looking at the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How many rows were found to be as they were written, from the first on.
    pub good: i64,
    /// What is wrong with the row behind them; `None` where the log is whole.
    pub fault: Option<Fault>,
}

impl Accounts {
    /// Goes through the whole audit log, from the first row on. `outside` is the last head that was written outside
    /// the database: without one, rows that were cut off at the end together with the database's own head are not
    /// missed. `told` hears how many rows were looked at.
    ///
    /// # Errors
    /// The store's.
    pub fn verify_audit(
        &self,
        outside: Option<&AuditHead>,
        mut told: impl FnMut(i64),
    ) -> Result<Verdict, AccountsError> {
        let store = &*self.stores.audit;
        // Entries come meanwhile: the end is somewhere from here on.
        let at_least = store.head()?;
        let mut last = AuditHead { seq: 0, hash: BEGINNING };
        let ends = |last: &AuditHead, fault| Ok(Verdict { good: last.seq, fault: Some(fault) });
        loop {
            let rows = store.rows(last.seq, PIECE)?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if let Some(fault) = fault(row, &last, outside, &self.settings.pepper) {
                    return ends(&last, fault);
                }
                last = head_at(row);
            }
            told(last.seq);
        }
        Ok(Verdict { good: last.seq, fault: fault_at_the_end(&last, &at_least, outside, store)? })
    }
}

/// What is wrong with `row`, where `before` is the row that was found before it.
fn fault(
    row: &ChainedRow,
    before: &AuditHead,
    outside: Option<&AuditHead>,
    pepper: &Pepper,
) -> Option<Fault> {
    let expected = before.seq.saturating_add(1);
    if row.row.seq != expected {
        return Some(Fault::Missing(expected));
    }
    if !row.row.hashes(pepper, &before.hash).iter().any(|hash| hash.as_slice() == row.hash) {
        return Some(Fault::Changed(expected));
    }
    let replaced = outside.is_some_and(|head| head.seq == expected && head.hash.as_slice() != row.hash);
    replaced.then_some(Fault::Replaced(expected))
}

fn fault_at_the_end(
    last: &AuditHead,
    at_least: &AuditHead,
    outside: Option<&AuditHead>,
    store: &dyn AuditStore,
) -> Result<Option<Fault>, AccountsError> {
    let at_most = store.head()?;
    let next = last.seq.saturating_add(1);
    if at_least.seq > last.seq || outside.is_some_and(|head| head.seq > last.seq) {
        return Ok(Some(Fault::Missing(next)));
    }
    if last.seq > at_most.seq {
        return Ok(Some(Fault::Beyond(at_most.seq.saturating_add(1))));
    }
    let other_end = last.seq == at_most.seq && last.hash != at_most.hash;
    Ok(other_end.then_some(Fault::Changed(last.seq)))
}

fn head_at(row: &ChainedRow) -> AuditHead {
    AuditHead { seq: row.row.seq, hash: row.hash.as_slice().try_into().unwrap_or(BEGINNING) }
}
