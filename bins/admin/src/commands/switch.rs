//! `activate` and `deactivate`: switching a key on and off.

use tollgate_accounts::{Accounts, By, admin::KeyChanges};

use crate::{
    error::AdminError,
    find,
    json::{self, KeyView},
    output,
};

/// Switches the key; what is switched off here, its owner cannot switch on.
pub fn run(accounts: &Accounts, key_id: &str, on: bool, json: bool) -> Result<(), AdminError> {
    let id = find::key(accounts, key_id)?;
    let changes = KeyChanges { is_active: Some(on), ..KeyChanges::default() };
    let listed = accounts.edit_key(&By::program(), id, &changes)?;
    let now = accounts.clock.now();
    if json {
        return json::print(&KeyView::listed(&listed, now));
    }
    let name = output::printable(&listed.key.name);
    match listed.key.status(now) {
        "active" => output::line(&format_args!("The key {id} ({name}) is switched on.")),
        "disabled" => output::line(&format_args!("The key {id} ({name}) is switched off.")),
        other => {
            let switched = if on { "on" } else { "off" };
            output::line(&format_args!("The key {id} ({name}) is switched {switched}, and stays {other}."))
        }
    }
}
