//! `migrate` (or `keys import`): keys of another system.

use tollgate_accounts::{
    Accounts, By,
    import::{KEY_COLUMNS, Record},
};
use tollgate_persistence::Url;

use crate::{
    cli::ImportFrom,
    error::AdminError,
    import::{self, How, Kind, Source, Tables},
};

/// The tables that are taken where none is named.
const TABLES: [&str; 2] = ["divv_api_keys", "api_keys"];

/// Imports the keys and tells what became of them.
pub fn run(accounts: &Accounts, here: &Url, flags: ImportFrom, json: bool) -> Result<(), AdminError> {
    let how = How { dry_run: flags.dry_run, pauses: matches!(here, Url::Sqlite(_)) && !flags.dry_run, json };
    let source = flags.source(here, &TABLES)?;
    let tables = Tables { needed: &["key_hash"], wanted: KEY_COLUMNS };
    let take = |batch: &[Record]| Ok(accounts.import_keys(&By::program(), batch, how.dry_run)?);
    import::run(&source, &tables, Kind { what: "keys", are_users: false }, how, &take)
}

impl ImportFrom {
    /// What the flags name: a file, a table of another database, or those of `tables` that there are.
    pub fn source(self, here: &Url, tables: &[&str]) -> Result<Source, AdminError> {
        if let Some(file) = self.file {
            return Ok(Source::File(file));
        }
        let url = match self.from_url {
            Some(url) => url.parse().map_err(|wrong| AdminError::Usage(format!("--from-url {wrong}")))?,
            None => here.clone(),
        };
        let names = match self.table {
            Some(name) => vec![name],
            None => tables.iter().filter_map(|name| name.parse().ok()).collect(),
        };
        Ok(Source::Tables { url, names })
    }
}
