//! `users delete`: the end of an account.

use crate::{confirm::confirm, error::AdminError, find, installation::Installation, json, output};

/// Asks, and deletes the user.
pub fn run(at: &dyn Installation, given: &str, force: bool, json: bool) -> Result<(), AdminError> {
    let user = find::user(at, given)?;
    let what = format!("{} ({})", output::printable(user.view.called()), user.view.id);
    confirm(&format!("The user {what} will be gone for ever, with keys and sessions."), force)?;
    at.delete_user(user.view.id)?;
    if json {
        return json::print(&user);
    }
    output::line(&format_args!("The user {what} is deleted."))
}
