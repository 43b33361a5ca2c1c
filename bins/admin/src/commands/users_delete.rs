//! `users delete`: the end of an account.

use tollgate_accounts::{Accounts, By};

use crate::{
    confirm::confirm,
    error::AdminError,
    find,
    json::{self, UserView},
    output,
};

/// Asks, and deletes the user.
pub fn run(accounts: &Accounts, given: &str, force: bool, json: bool) -> Result<(), AdminError> {
    let user = find::user(accounts, given)?;
    let what = format!("{} ({})", output::printable(find::called(&user)), user.id);
    confirm(&format!("The user {what} will be gone for ever, with keys and sessions."), force)?;
    accounts.delete_user(&By::program(), user.id)?;
    if json {
        return json::print(&UserView::new(&user, accounts.clock.now()));
    }
    output::line(&format_args!("The user {what} is deleted."))
}
