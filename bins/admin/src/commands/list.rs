//! `list`: everybody's keys, newest first.

use std::io;

use crate::{
    cli::List,
    error::AdminError,
    find,
    installation::{Installation, KeysAsked, Place, each_page},
    json::{self, answer::Answer, key::ListedKeyView},
    output,
    table::{self, Column, NOTHING, Table, number, text, thousands},
};

const COLUMNS: &[Column] = &[
    text("Key ID"),
    text("Name"),
    text("Email"),
    text("Active"),
    text("Created"),
    text("Last Used"),
    number("Requests (7d)"),
    number("Tokens (7d)"),
];

/// Prints the keys page by page.
pub fn run(at: &dyn Installation, flags: &List, json: bool) -> Result<(), AdminError> {
    let user = flags.user_id.as_deref().map(|given| find::user(at, given)).transpose()?;
    let asked = KeysAsked { user: user.map(|user| user.view.id), include_inactive: flags.include_inactive };
    let page = |place: Place<'_>| at.keys(&asked, place);
    output::until_hung_up(if json {
        let mut list = json::List::begin(io::stdout().lock(), "keys")?;
        each_page(None, page, |keys| keys.iter().try_for_each(|key| list.item(key))).and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(None, page, |keys| table.page(&keys.iter().map(row).collect::<Vec<_>>()))
            .and_then(|()| table.end())
    })
}

fn row(listed: &Answer<ListedKeyView>) -> Vec<String> {
    let ListedKeyView { key, beside } = &listed.view;
    vec![
        key.id.to_string(),
        key.name.clone(),
        beside.email.clone().unwrap_or_else(|| NOTHING.to_owned()),
        match key.status.as_str() {
            "active" => "yes".to_owned(),
            why_not => format!("no ({why_not})"),
        },
        table::day(key.created_at),
        key.last_used_at.map_or_else(|| "never".to_owned(), table::minute),
        thousands(beside.requests_7d),
        thousands(beside.tokens_7d),
    ]
}
