//! What the file says of who may come in, made so in the database at the start: its legacy keys and, where authentication
//! is switched off, the anonymous user.

use tollgate_accounts::{
    Accounts, AccountsError,
    legacy::{Followed, LegacyKey, LegacyState},
};
use tollgate_config::Authentication;

/// Makes it so, and tells the log.
///
/// # Errors
/// The store's.
pub fn establish(config: &Authentication, accounts: &Accounts) -> Result<(), AccountsError> {
    let keys = config.api_keys.iter().map(|key| LegacyKey {
        text: key.key.clone(),
        name: key.name.clone(),
        permissions: key.permissions.clone(),
        hourly_limit: key.rate_limit_per_hour,
    });
    let Followed { states, left } = accounts.follow_file(&keys.collect::<Vec<_>>())?;
    for (place, state) in states.into_iter().enumerate() {
        tell(place.saturating_add(1), state);
    }
    for key in left {
        tracing::info!("authentication.api_keys: key {key} is no longer there, and not accepted any more");
    }
    if !config.enabled && !accounts.ensure_anonymous()?.is_open {
        tracing::warn!(
            "authentication.enabled: the anonymous user or its key was switched off or revoked by an administrator: \
             requests without a key are refused"
        );
    }
    Ok(())
}

fn tell(place: usize, state: LegacyState) {
    let entry = format_args!("authentication.api_keys.#{place}");
    match state {
        LegacyState::Unchanged(_) => {}
        LegacyState::Made(key) => tracing::info!("{entry}: was taken over as key {key}"),
        LegacyState::Changed(key) => tracing::info!("{entry}: key {key} is as the file says now"),
        LegacyState::Ended(key) => tracing::warn!(
            "{entry}: key {key} or its user was switched off or revoked by an administrator, and stays so; it is not \
             accepted"
        ),
        LegacyState::Taken(key) => tracing::warn!(
            "{entry}: is key {key} already, which did not come from the file and stays as it is; remove the entry"
        ),
        LegacyState::Gone => tracing::warn!(
            "{entry}: has been given another secret or was deleted, and is not brought back; remove the entry"
        ),
    }
}
