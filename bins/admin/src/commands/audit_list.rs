//! `audit list`: the audit log, newest first.

use std::io;

use tollgate_accounts::Accounts;
use tollgate_store::{AuditFilter, ListedEntry, page::MAX_PAGE};

use crate::{
    cli::AuditList,
    error::AdminError,
    json::{self, EntryView},
    output,
    table::{self, Column, NOTHING, Table, text},
};

const COLUMNS: &[Column] =
    &[text("Time"), text("Action"), text("Actor"), text("Subject"), text("Address"), text("Email")];

/// Prints the entries page by page.
pub fn run(accounts: &Accounts, flags: &AuditList, json: bool) -> Result<(), AdminError> {
    output::until_hung_up(if json {
        let mut list = json::List::begin_plain(io::stdout().lock())?;
        each_page(accounts, flags, |entries| {
            entries.iter().try_for_each(|entry| list.item(&EntryView::new(entry)))
        })
        .and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(accounts, flags, |entries| table.page(&entries.iter().map(row).collect::<Vec<_>>()))
            .and_then(|()| table.end())
    })
}

/// Each page is older than the one before, so the pages come to an end.
fn each_page(
    accounts: &Accounts,
    flags: &AuditList,
    mut print: impl FnMut(&[ListedEntry]) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    let about = flags.about.map(|id| id.as_uuid());
    let filter = AuditFilter { action: flags.action.clone(), about };
    let (mut before, mut left) = (None, flags.limit);
    while left > 0 {
        let limit = left.min(MAX_PAGE);
        let entries = accounts.stores.audit.list(before, limit, &filter).map_err(AdminError::from)?;
        let Some(last) = entries.last() else { return Ok(()) };
        before = Some(last.row.seq);
        left = left.saturating_sub(limit);
        print(&entries)?;
    }
    Ok(())
}

fn row(entry: &ListedEntry) -> Vec<String> {
    let or_nothing = |text: Option<&String>| text.cloned().unwrap_or_else(|| NOTHING.to_owned());
    let beside = entry.personal.as_ref();
    vec![
        table::second(entry.row.at),
        entry.row.action.clone(),
        entry.row.actor.clone(),
        or_nothing(Some(&entry.row.subject).filter(|subject| !subject.is_empty())),
        or_nothing(beside.and_then(|beside| beside.ip.as_ref())),
        or_nothing(beside.and_then(|beside| beside.email.as_ref())),
    ]
}
