//! `users unlock`: an end to a lockout.

use tollgate_accounts::{Accounts, By};

use crate::{
    error::AdminError,
    find,
    json::{self, UserView},
    output,
};

/// Does away with what was counted of the user's wrong passwords.
pub fn run(accounts: &Accounts, given: &str, json: bool) -> Result<(), AdminError> {
    let user = find::user(accounts, given)?;
    accounts.unlock_user(&By::program(), user.id)?;
    if json {
        return json::print(&UserView::new(&user, accounts.clock.now()));
    }
    let called = output::printable(find::called(&user));
    output::line(&format_args!("{called} ({}) may try again, from anywhere.", user.id))
}
