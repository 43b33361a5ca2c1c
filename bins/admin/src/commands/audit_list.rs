//! `audit list`: the audit log, newest first.

use std::io;

use tollgate_store::AuditFilter;

use crate::{
    cli::AuditList,
    error::AdminError,
    installation::{Installation, Place, each_page},
    json::{self, answer::Answer, entry::EntryView},
    output,
    table::{self, Column, NOTHING, Table, text},
};

const COLUMNS: &[Column] =
    &[text("Time"), text("Action"), text("Actor"), text("Subject"), text("Address"), text("Email")];

/// Prints the entries page by page.
pub fn run(at: &dyn Installation, flags: &AuditList, json: bool) -> Result<(), AdminError> {
    let about = flags.about.map(|id| id.as_uuid());
    let filter = AuditFilter { action: flags.action.clone(), about };
    let (most, page) = (Some(flags.limit), |place: Place<'_>| at.entries(&filter, place));
    output::until_hung_up(if json {
        let mut list = json::List::begin_plain(io::stdout().lock())?;
        each_page(most, page, |entries| entries.iter().try_for_each(|entry| list.item(entry)))
            .and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(most, page, |entries| table.page(&entries.iter().map(row).collect::<Vec<_>>()))
            .and_then(|()| table.end())
    })
}

fn row(entry: &Answer<EntryView>) -> Vec<String> {
    let entry = &entry.view;
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    vec![
        table::second(entry.time),
        entry.action.clone(),
        entry.actor(),
        or_nothing(entry.subject()),
        or_nothing(entry.ip.clone()),
        or_nothing(entry.email.clone()),
    ]
}
