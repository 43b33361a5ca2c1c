//! `activate` and `deactivate`: switching a key on and off.

use crate::{error::AdminError, find, installation::Installation, json, output};

/// Switches the key; what is switched off here, its owner cannot switch on.
pub fn run(at: &dyn Installation, key_id: &str, on: bool, json: bool) -> Result<(), AdminError> {
    let id = find::key(at, key_id)?.view.key.id;
    let key = at.switch_key(id, on)?;
    if json {
        return json::print(&key);
    }
    let name = output::printable(&key.view.name);
    match key.view.status.as_str() {
        "active" => output::line(&format_args!("The key {id} ({name}) is switched on.")),
        "disabled" => output::line(&format_args!("The key {id} ({name}) is switched off.")),
        other => {
            let (switched, other) = (if on { "on" } else { "off" }, output::printable(other));
            output::line(&format_args!("The key {id} ({name}) is switched {switched}, and stays {other}."))
        }
    }
}
