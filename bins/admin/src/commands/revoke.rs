//! `revoke`: the end of a key.

use crate::{
    cli::Revoke, confirm::confirm, error::AdminError, find, installation::Installation, json, output,
};

/// Asks, and revokes the key.
pub fn run(at: &dyn Installation, flags: &Revoke, json: bool) -> Result<(), AdminError> {
    let listed = find::key(at, &flags.key_id)?.view;
    let id = listed.key.id;
    let owner = listed.beside.email.unwrap_or_else(|| listed.key.user_id.to_string());
    let what = output::printable(&format!("{id} ({}, of {owner})", listed.key.name));
    if listed.key.status != "revoked" {
        confirm(&format!("The key {what} will stop working at once and for ever."), flags.force)?;
    }
    at.revoke_key(id)?;
    if json {
        return json::print(&find::key(at, &id.to_string())?);
    }
    output::line(&format_args!("The key {what} is revoked."))
}
