//! `users unlock`: an end to a lockout.

use crate::{error::AdminError, find, installation::Installation, json, output};

/// Does away with what was counted of the user's wrong passwords.
pub fn run(at: &dyn Installation, given: &str, json: bool) -> Result<(), AdminError> {
    let user = find::user(at, given)?;
    at.unlock_user(user.view.id)?;
    if json {
        return json::print(&user);
    }
    let called = output::printable(user.view.called());
    output::line(&format_args!("{called} ({}) may try again, from anywhere.", user.view.id))
}
