//! `audit verify`: whether the audit log is as it was written.

use serde::Serialize;
use tollgate_accounts::{Accounts, audit::verify::Verdict};
use tollgate_persistence::OutsideHead;

use crate::{error::AdminError, json, output, progress::Progress};

#[derive(Serialize)]
struct Verified {
    whole: bool,
    good_rows: i64,
    first_bad_row: Option<i64>,
    problem: Option<String>,
    outside_head: Option<i64>,
}

/// Goes through the whole log; exit 1 where it is not whole.
pub fn run(accounts: &Accounts, outside: &OutsideHead, json: bool) -> Result<(), AdminError> {
    let head = outside.read().map_err(|error| AdminError::OutsideHead { at: outside.path(), error })?;
    let rows = accounts.stores.audit.head()?.seq;
    let progress = Progress::over(rows, "rows");
    let verdict = accounts.verify_audit(head.as_ref(), |row| progress.at(row))?;
    progress.end();
    let Verdict { good, fault } = verdict;
    if json {
        json::print(&Verified {
            whole: fault.is_none(),
            good_rows: good,
            first_bad_row: fault.map(|_| good.saturating_add(1)),
            problem: fault.map(|fault| fault.to_string()),
            outside_head: head.map(|head| head.seq),
        })?;
    } else if fault.is_none() {
        output::line(&format_args!("The audit log is whole: {good} rows are as they were written."))?;
        output::line(&match head {
            Some(head) => format!("Its head outside the database names row {}.", head.seq),
            None => format!(
                "There is no head outside the database ({}): rows cut off at the end would not be missed. The \
                 server writes it every minute.",
                outside.path().display()
            ),
        })?;
    }
    fault.map_or(Ok(()), |fault| Err(AdminError::AuditBroken { fault, good }))
}
