//! `users list`: users, newest first.

use std::io;

use tollgate_accounts::Accounts;
use tollgate_domain::{Email, User};
use tollgate_store::{PageRequest, page::MAX_PAGE};

use crate::{
    error::AdminError,
    json::{self, UserView},
    output,
    table::{self, Column, NOTHING, Table, text},
};

const COLUMNS: &[Column] = &[
    text("User ID"),
    text("Email"),
    text("Name"),
    text("External ID"),
    text("Role"),
    text("Tier"),
    text("Active"),
    text("Created"),
];

/// Prints the users page by page.
pub fn run(accounts: &Accounts, search: Option<&str>, json: bool) -> Result<(), AdminError> {
    let now = accounts.clock.now();
    output::until_hung_up(if json {
        let mut list = json::List::begin(io::stdout().lock(), "users")?;
        each_page(accounts, search, |users| {
            users.iter().try_for_each(|user| list.item(&UserView::new(user, now)))
        })
        .and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(accounts, search, |users| table.page(&users.iter().map(row).collect::<Vec<_>>()))
            .and_then(|()| table.end())
    })
}

/// Each page is older than the one before, so the pages come to an end.
fn each_page(
    accounts: &Accounts,
    search: Option<&str>,
    mut print: impl FnMut(&[User]) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    let mut request = PageRequest { limit: MAX_PAGE, after: None };
    loop {
        let page = accounts.list_users(&request, search)?;
        print(&page.items)?;
        request.after = page.next;
        if page.next.is_none() {
            return Ok(());
        }
    }
}

fn row(user: &User) -> Vec<String> {
    let or_nothing = |text: Option<&str>| text.unwrap_or(NOTHING).to_owned();
    vec![
        user.id.to_string(),
        or_nothing(user.email.as_ref().map(Email::as_str)),
        or_nothing(user.name.as_deref()),
        or_nothing(user.external_id.as_deref()),
        user.role.to_string(),
        user.tier.to_string(),
        if user.is_active { "yes" } else { "no" }.to_owned(),
        table::day(user.created_at),
    ]
}
