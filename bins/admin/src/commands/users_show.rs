//! `users show`: one user.

use tollgate_accounts::Accounts;
use tollgate_domain::{Email, Environment};

use crate::{
    error::AdminError,
    find,
    json::{self, UserView},
    output,
    table::{self, NOTHING, thousands},
};

/// Prints what is known of the user.
pub fn run(accounts: &Accounts, given: &str, json: bool) -> Result<(), AdminError> {
    let user = find::user(accounts, given)?;
    if json {
        return json::print(&UserView::new(&user, accounts.clock.now()));
    }
    let quota = accounts.quota(&user, Environment::Live)?;
    let or_nothing = |text: Option<&str>| text.unwrap_or(NOTHING).to_owned();
    let limit = |limit: Option<u64>| limit.map_or_else(|| "as the tier".to_owned(), thousands);
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    output::details(&[
        ("User ID", user.id.to_string()),
        ("Email", or_nothing(user.email.as_ref().map(Email::as_str))),
        ("Name", or_nothing(user.name.as_deref())),
        ("External ID", or_nothing(user.external_id.as_deref())),
        ("Role", user.role.to_string()),
        ("Tier", user.tier.to_string()),
        ("Active", yes(user.is_active)),
        ("Verified", yes(user.is_verified)),
        ("Minute limit", limit(user.limits.minute)),
        ("Hourly limit", limit(user.limits.hour)),
        ("Daily limit", limit(user.limits.day)),
        ("Monthly tokens", limit(user.monthly_token_limit)),
        ("Granted this month", thousands(user.granted_tokens(quota.month))),
        ("Used this month", format!("{} of {} tokens", thousands(quota.used), thousands(quota.limit))),
        ("Notes", user.metadata.clone()),
        ("Created", table::minute(user.created_at)),
        ("Changed", table::minute(user.updated_at)),
    ])
}
