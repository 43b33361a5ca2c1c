//! `users show`: one user.

use crate::{
    error::AdminError,
    find,
    installation::Installation,
    json, output,
    table::{self, NOTHING, thousands},
};

/// Prints what is known of the user.
pub fn run(at: &dyn Installation, given: &str, json: bool) -> Result<(), AdminError> {
    let user = find::user(at, given)?;
    if json {
        return json::print(&user);
    }
    let user = user.view;
    let quota = at.quota(user.id)?;
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let limit = |limit: Option<u64>| limit.map_or_else(|| "as the tier".to_owned(), thousands);
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    output::details(&[
        ("User ID", user.id.to_string()),
        ("Email", or_nothing(user.email)),
        ("Name", or_nothing(user.name)),
        ("External ID", or_nothing(user.external_id)),
        ("Role", user.role),
        ("Tier", user.subscription),
        ("Active", yes(user.is_active)),
        ("Verified", yes(user.is_verified)),
        ("Minute limit", limit(user.minute_limit)),
        ("Hourly limit", limit(user.hourly_limit)),
        ("Daily limit", limit(user.daily_limit)),
        ("Monthly tokens", limit(user.monthly_token_limit)),
        ("Granted this month", thousands(user.quota_grant)),
        ("Used this month", format!("{} of {} tokens", thousands(quota.used), thousands(quota.limit))),
        ("Notes", user.metadata.get().to_owned()),
        ("Created", table::minute(user.created_at)),
        ("Changed", table::minute(user.updated_at)),
    ])
}
