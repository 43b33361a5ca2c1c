//! `users set-tier`: another subscription.

use tollgate_domain::Tier;

use crate::{error::AdminError, find, installation::Installation, json, output};

/// Gives the user the tier.
pub fn run(at: &dyn Installation, given: &str, tier: Tier, json: bool) -> Result<(), AdminError> {
    let before = find::user(at, given)?.view;
    let user = at.set_tier(before.id, tier)?;
    if json {
        return json::print(&user);
    }
    let (called, was) = (output::printable(user.view.called()), output::printable(&before.subscription));
    output::line(&format_args!("{called} ({}) has the tier {tier}; before, it was {was}.", before.id))
}
