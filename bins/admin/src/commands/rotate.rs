//! `rotate`: another secret for a key.

use tollgate_accounts::By;

use crate::{
    cli::Rotate,
    error::AdminError,
    find,
    installation::Here,
    json::{self, key::RotatedView},
    output, table,
};

/// Gives the key another secret and prints it, this once.
pub fn run(here: &Here, flags: &Rotate, json: bool) -> Result<(), AdminError> {
    let id = find::key(here, &flags.key_id)?.view.key.id;
    let accounts = &here.accounts;
    let rotated = accounts.rotate_any_key(&By::program(), id, flags.grace_period_seconds)?;
    let now = accounts.clock.now();
    if json {
        return json::print(&RotatedView::new(&rotated, now));
    }
    let old = match flags.grace_period_seconds {
        0 => "ended".to_owned(),
        seconds => format!("good until {}", table::second(now + chrono::TimeDelta::seconds(seconds.into()))),
    };
    output::line(&"The key has another secret.\n")?;
    output::details(&[
        ("API key", rotated.secret.expose().to_owned()),
        ("Key ID", rotated.listed.key.id.to_string()),
        ("Name", rotated.listed.key.name.clone()),
        ("Old secret", old),
    ])?;
    output::line(&"\nWARNING: keep the API key now. It is shown this once and cannot be shown again.")
}
