//! `users import`: users of another system.

use tollgate_accounts::{
    Accounts, By,
    import::{Record, USER_COLUMNS},
};
use tollgate_persistence::Url;

use crate::{
    cli::ImportFrom,
    error::AdminError,
    import::{self, How, Kind, Tables},
};

/// The table that is taken where none is named.
const TABLES: [&str; 1] = ["users"];

/// Imports the users and tells what became of them.
pub fn run(accounts: &Accounts, here: &Url, flags: ImportFrom, json: bool) -> Result<(), AdminError> {
    let how = How { dry_run: flags.dry_run, pauses: matches!(here, Url::Sqlite(_)) && !flags.dry_run, json };
    let source = flags.source(here, &TABLES)?;
    let tables = Tables { needed: &["email"], wanted: USER_COLUMNS };
    let take = |batch: &[Record]| Ok(accounts.import_users(&By::program(), batch, how.dry_run)?);
    import::run(&source, &tables, Kind { what: "users", are_users: true }, how, &take)
}
