//! `users set-tier`: another subscription.

use tollgate_accounts::{Accounts, By, admin::UserChanges};
use tollgate_domain::Tier;

use crate::{
    error::AdminError,
    find,
    json::{self, UserView},
    output,
};

/// Gives the user the tier.
pub fn run(accounts: &Accounts, given: &str, tier: Tier, json: bool) -> Result<(), AdminError> {
    let before = find::user(accounts, given)?;
    let changes = UserChanges { tier: Some(tier), ..UserChanges::default() };
    let user = accounts.edit_user(&By::program(), before.id, changes)?;
    if json {
        return json::print(&UserView::new(&user, accounts.clock.now()));
    }
    let called = output::printable(find::called(&user));
    output::line(&format_args!("{called} ({}) has the tier {tier}; before, it was {}.", user.id, before.tier))
}
