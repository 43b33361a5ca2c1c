//! `users list`: users, newest first.

use std::io;

use crate::{
    error::AdminError,
    installation::{Installation, Place, each_page},
    json::{self, answer::Answer, user::UserView},
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
pub fn run(at: &dyn Installation, search: Option<&str>, json: bool) -> Result<(), AdminError> {
    let page = |place: Place<'_>| at.users(search, place);
    output::until_hung_up(if json {
        let mut list = json::List::begin(io::stdout().lock(), "users")?;
        each_page(None, page, |users| users.iter().try_for_each(|user| list.item(user)))
            .and_then(|()| list.end())
    } else {
        let mut table = Table::on_stdout(COLUMNS);
        each_page(None, page, |users| table.page(&users.iter().map(row).collect::<Vec<_>>()))
            .and_then(|()| table.end())
    })
}

fn row(user: &Answer<UserView>) -> Vec<String> {
    let user = &user.view;
    let or_nothing = |text: Option<&str>| text.unwrap_or(NOTHING).to_owned();
    vec![
        user.id.to_string(),
        or_nothing(user.email.as_deref()),
        or_nothing(user.name.as_deref()),
        or_nothing(user.external_id.as_deref()),
        user.role.clone(),
        user.subscription.clone(),
        if user.is_active { "yes" } else { "no" }.to_owned(),
        table::day(user.created_at),
    ]
}
