//! `list`: everybody's keys, newest first.

use std::{collections::HashMap, io};

use tollgate_accounts::Accounts;
use tollgate_domain::{Email, KeyId, Time, UserId};
use tollgate_store::{KeyTotals, ListedKey, PageRequest, page::MAX_PAGE};

use crate::{
    cli::List,
    error::AdminError,
    find,
    json::{self, ListedKeyView},
    output,
    table::{self, Column, NOTHING, Table, number, text, thousands},
};

/// Days of the sums.
const DAYS: i64 = 7;

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
pub fn run(accounts: &Accounts, flags: &List, json: bool) -> Result<(), AdminError> {
    let user = flags.user_id.as_deref().map(|given| find::user(accounts, given)).transpose()?;
    let user = user.map(|user| user.id);
    let now = accounts.clock.now();
    output::until_hung_up(if json {
        let mut list = json::List::begin(io::stdout().lock(), "keys")?;
        each_page(accounts, user, flags.include_inactive, |keys, totals| {
            keys.iter().try_for_each(|key| list.item(&ListedKeyView::new(key, of(totals, key), now)))
        })
        .and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(accounts, user, flags.include_inactive, |keys, totals| {
            table.page(&keys.iter().map(|key| row(key, of(totals, key), now)).collect::<Vec<_>>())
        })
        .and_then(|()| table.end())
    })
}

/// Each page is older than the one before, so the pages come to an end.
fn each_page(
    accounts: &Accounts,
    user: Option<UserId>,
    include_inactive: bool,
    mut print: impl FnMut(&[ListedKey], &HashMap<KeyId, KeyTotals>) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    let mut request = PageRequest { limit: MAX_PAGE, after: None };
    loop {
        let (page, totals) = accounts.list_all_keys(user, include_inactive, &request, DAYS)?;
        print(&page.items, &totals)?;
        request.after = page.next;
        if page.next.is_none() {
            return Ok(());
        }
    }
}

fn of(totals: &HashMap<KeyId, KeyTotals>, listed: &ListedKey) -> KeyTotals {
    totals.get(&listed.key.id).copied().unwrap_or_default()
}

fn row(listed: &ListedKey, totals: KeyTotals, now: Time) -> Vec<String> {
    let key = &listed.key;
    vec![
        key.id.to_string(),
        key.name.clone(),
        listed.owner_email.as_ref().map_or_else(|| NOTHING.to_owned(), Email::to_string),
        match key.status(now) {
            "active" => "yes".to_owned(),
            why_not => format!("no ({why_not})"),
        },
        table::day(key.created_at),
        listed.last_used_at.map_or_else(|| "never".to_owned(), table::minute),
        thousands(totals.requests),
        thousands(totals.tokens),
    ]
}
