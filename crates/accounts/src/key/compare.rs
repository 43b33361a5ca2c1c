//! Whether one key holds more than another: what no key may make, change or rotate.

use tollgate_domain::{ApiKey, Network, Tiers, User, window::WindowKind};

use crate::{Beyond, error::WindowName};

/// That `key` holds no more than `than`, both keys of `user`.
///
/// # Errors
/// The first thing of which it holds more.
pub fn no_more(key: &ApiKey, than: &ApiKey, user: &User, tiers: &Tiers) -> Result<(), Beyond> {
    if let Some(permission) = than.permissions.first_beyond(&key.permissions) {
        return Err(Beyond::NotHeld(permission.clone()));
    }
    if key.environment != than.environment {
        return Err(Beyond::Environment);
    }
    let outlives = |end| key.expires_at.is_none_or(|expires| expires > end);
    if than.expires_at.is_some_and(outlives) {
        return Err(Beyond::Expiry);
    }
    for window in WindowKind::ALL {
        let ceiling = reach(than, user, tiers, window);
        if reach(key, user, tiers, window) > ceiling {
            return Err(Beyond::Limit(WindowName(window), ceiling));
        }
    }
    if key.limits.tier_under(user.tier) > than.limits.tier_under(user.tier) {
        return Err(Beyond::Tier);
    }
    networks(&key.allowed_ips, &than.allowed_ips)?;
    models(&key.allowed_models, &than.allowed_models)
}

/// That networks lie within others; none stand for everywhere.
///
/// # Errors
/// [`Beyond::Addresses`].
pub fn networks(asked: &[Network], within: &[Network]) -> Result<(), Beyond> {
    let covered = |asked: &Network| within.iter().any(|network| network.covers(asked));
    let all = within.is_empty() || (!asked.is_empty() && asked.iter().all(covered));
    if all { Ok(()) } else { Err(Beyond::Addresses) }
}

/// That models are among others; none stand for all.
///
/// # Errors
/// [`Beyond::Models`].
pub fn models(asked: &[String], within: &[String]) -> Result<(), Beyond> {
    let all = within.is_empty() || (!asked.is_empty() && asked.iter().all(|asked| within.contains(asked)));
    if all { Ok(()) } else { Err(Beyond::Models) }
}

/// Requests that a key may make in a window at most: what an administrator gave it, else no more than its user.
fn reach(key: &ApiKey, user: &User, tiers: &Tiers, window: WindowKind) -> u64 {
    let users = tiers.of_user(user, window);
    match key.limits.of(window, tiers) {
        Some((limit, true)) => limit,
        Some((limit, false)) => limit.min(users),
        None => users,
    }
}
