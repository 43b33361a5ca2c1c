//! `revoke`: the end of a key.

use tollgate_accounts::{Accounts, AccountsError, By};

use crate::{
    cli::Revoke,
    confirm::confirm,
    error::AdminError,
    find,
    json::{self, KeyView},
    output,
};

/// Asks, and revokes the key.
pub fn run(accounts: &Accounts, flags: &Revoke, json: bool) -> Result<(), AdminError> {
    let id = find::key(accounts, &flags.key_id)?;
    let listed = accounts.stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?;
    let owner = listed.owner_email.map_or_else(|| listed.key.user_id.to_string(), |email| email.to_string());
    let what = format!("{} ({}, of {owner})", id, output::printable(&listed.key.name));
    if listed.key.revoked_at.is_none() {
        confirm(&format!("The key {what} will stop working at once and for ever."), flags.force)?;
    }
    let key = accounts.revoke_any_key(&By::program(), id, false)?;
    if json {
        return json::print(&KeyView::new(&key, accounts.clock.now()));
    }
    output::line(&format_args!("The key {what} is revoked."))
}
