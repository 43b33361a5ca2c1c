//! Never more than the caller has: what a key made by a user, or by one of the user's keys, may be.

use tollgate_domain::{
    ApiKey, Environment, LimitOverrides, Network, Permission, Permissions, Role, Tier, Tiers, Time, User,
    window::WindowKind,
};

use super::{KeyWish, compare};
use crate::{AccountsSettings, Actor, Beyond, error::WindowName};

/// What a wish comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Given {
    pub environment: Environment,
    pub permissions: Permissions,
    pub tier: Option<Tier>,
    pub limits: LimitOverrides,
    pub expires_at: Option<Time>,
    pub allowed_ips: Vec<Network>,
    pub allowed_models: Vec<String>,
}

/// Where a key may be used from and what it may ask, as asked for; `None` where that is left open.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    pub networks: Option<Vec<Network>>,
    pub models: Option<Vec<String>>,
}

/// What `actor` gets for `wish`. What the wish leaves open is cut down to the ceiling; what it names beyond
/// the ceiling is refused.
pub fn under(
    actor: &Actor,
    settings: &AccountsSettings,
    wish: &KeyWish,
    expires_at: Option<Time>,
    bounds: Bounds,
) -> Result<Given, Beyond> {
    let by = actor.key.as_deref();
    let tier = tier(&actor.user, by, wish.tier)?;
    Ok(Given {
        environment: environment(by, wish.environment)?,
        permissions: permissions(&actor.user, by, &settings.default_permissions, wish.permissions.as_ref())?,
        tier,
        limits: limits(&actor.user, by, &settings.tiers, tier, &wish.limits)?,
        expires_at: expiry(actor.expires_at(), expires_at)?,
        allowed_ips: match (bounds.networks, by) {
            (Some(asked), Some(key)) => compare::networks(&asked, &key.allowed_ips).map(|()| asked)?,
            (Some(asked), None) => asked,
            (None, by) => by.map(|key| key.allowed_ips.clone()).unwrap_or_default(),
        },
        allowed_models: match (bounds.models, by) {
            (Some(asked), Some(key)) => compare::models(&asked, &key.allowed_models).map(|()| asked)?,
            (Some(asked), None) => asked,
            (None, by) => by.map(|key| key.allowed_models.clone()).unwrap_or_default(),
        },
    })
}

fn environment(by: Option<&ApiKey>, asked: Option<Environment>) -> Result<Environment, Beyond> {
    match (by, asked) {
        (Some(key), Some(asked)) if asked != key.environment => Err(Beyond::Environment),
        (Some(key), _) => Ok(key.environment),
        (None, asked) => Ok(asked.unwrap_or_default()),
    }
}

fn permissions(
    user: &User,
    by: Option<&ApiKey>,
    defaults: &Permissions,
    asked: Option<&Permissions>,
) -> Result<Permissions, Beyond> {
    let Some(asked) = asked else {
        let held = |permission: &&Permission| by.is_none_or(|key| key.permissions.allow(permission));
        return Ok(defaults.iter().filter(held).cloned().collect());
    };
    may_grant(user, by, defaults, asked)?;
    Ok(asked.clone())
}

/// That the user, by the calling key where there is one, may give these permissions.
///
/// # Errors
/// The first that may not be given.
pub fn may_grant(
    user: &User,
    by: Option<&ApiKey>,
    defaults: &Permissions,
    asked: &Permissions,
) -> Result<(), Beyond> {
    if let Some(beyond) = grantable(user, defaults).first_beyond(asked) {
        return Err(Beyond::UsersMayNotGrant(beyond.clone()));
    }
    match by.and_then(|key| key.permissions.first_beyond(asked)) {
        Some(beyond) => Err(Beyond::NotHeld(beyond.clone())),
        None => Ok(()),
    }
}

/// What the user may give: administrators give what users may not.
pub fn grantable(user: &User, defaults: &Permissions) -> Permissions {
    match user.role {
        Role::Admin => Permissions::all(),
        Role::User => defaults.with(Permission::KeysManage),
    }
}

fn tier(user: &User, by: Option<&ApiKey>, asked: Option<Tier>) -> Result<Option<Tier>, Beyond> {
    let ceiling = by.map_or(user.tier, |key| key.limits.tier_under(user.tier).min(user.tier));
    match asked {
        Some(asked) if asked > ceiling => Err(Beyond::Tier),
        // Without a tier of its own it would count as its user.
        None if ceiling < user.tier => Ok(Some(ceiling)),
        asked => Ok(asked),
    }
}

fn limits(
    user: &User,
    by: Option<&ApiKey>,
    tiers: &Tiers,
    tier: Option<Tier>,
    asked: &LimitOverrides,
) -> Result<LimitOverrides, Beyond> {
    let limit = |window: WindowKind| {
        let users = tiers.of_user(user, window);
        let keys = by.and_then(|key| key.limits.of(window, tiers)).map(|(limit, _)| limit);
        let ceiling = keys.map_or(users, |keys| keys.min(users));
        match asked.of(window) {
            Some(asked) if asked > ceiling => Err(Beyond::Limit(WindowName(window), ceiling)),
            Some(asked) => Ok(Some(asked)),
            // The tier's limit stands unless the calling key has less, which then is given singly.
            None => {
                let by_tier = tier.map(|tier| tiers.window(tier, window));
                Ok(keys.filter(|keys| by_tier.is_none_or(|by_tier| *keys < by_tier)).map(|_| ceiling))
            }
        }
    };
    Ok(LimitOverrides {
        minute: limit(WindowKind::Minute)?,
        hour: limit(WindowKind::Hour)?,
        day: limit(WindowKind::Day)?,
    })
}

fn expiry(latest: Option<Time>, asked: Option<Time>) -> Result<Option<Time>, Beyond> {
    match (latest, asked) {
        (Some(latest), Some(asked)) if asked > latest => Err(Beyond::Expiry),
        (latest, asked) => Ok(asked.or(latest)),
    }
}

#[cfg(test)]
mod tests;
