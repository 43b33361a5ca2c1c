//! Administration of users and keys: the calls of the API and of the administrator's program alike.
//! Whoever calls these has checked that the caller administers.

mod create;
mod find;
mod switch;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, KeyId, LimitOverrides, Month, Network, Permission, Permissions, Role,
    Tier, Tiers, User, UserId, user::MonthTokens,
};
use tollgate_store::{KeyFilter, KeyTotals, ListedKey, Page, PageRequest};

use crate::{Accounts, AccountsError, By, field::Faults};

pub use create::{NewAdmin, ProvisionWish, Provisioned};
pub use switch::UserOrKey;

/// A change to a field that can also be taken away: `None` leaves it, `Some(None)` takes it away.
pub type Change<T> = Option<Option<T>>;

/// Changes to the three limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitChanges {
    /// Requests in any minute.
    pub minute: Change<u64>,
    /// Requests in any hour.
    pub hour: Change<u64>,
    /// Requests in any day.
    pub day: Change<u64>,
}

impl LimitChanges {
    pub(crate) fn given(&self) -> LimitOverrides {
        LimitOverrides { minute: self.minute.flatten(), hour: self.hour.flatten(), day: self.day.flatten() }
    }
}

/// Changes to a user; what is `None` stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChanges {
    /// The subscription.
    pub tier: Option<Tier>,
    /// The role.
    pub role: Option<Role>,
    /// Whether the account is open.
    pub is_active: Option<bool>,
    /// Limits in place of the tier's.
    pub limits: LimitChanges,
    /// Tokens a month in place of the tier's.
    pub monthly_token_limit: Change<u64>,
    /// Tokens of the running month beyond its limit, in place of what was granted before.
    pub quota_grant: Change<u64>,
}

/// Changes to a key; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct KeyChanges {
    /// What it is called.
    pub name: Option<String>,
    /// What it may do.
    pub permissions: Option<Permissions>,
    /// The tier that stands for its limits.
    pub tier: Change<Tier>,
    /// Its own limits.
    pub limits: LimitChanges,
    /// Notes on it.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The networks from which alone it may be used.
    pub allowed_ips: Change<Vec<String>>,
    /// The models that alone it may ask.
    pub allowed_models: Change<Vec<String>>,
    /// Whether it is switched on.
    pub is_active: Option<bool>,
}

/// What of them is kept otherwise than it is written.
struct Bounds {
    metadata: Option<String>,
    allowed_ips: Option<Vec<Network>>,
    allowed_models: Option<Vec<String>>,
}

impl Accounts {
    /// Changes a user. A lower tier holds at once, but the tokens of the running month stay those of the
    /// higher one.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`], or the store's.
    pub fn edit_user(&self, by: &By, id: UserId, changes: UserChanges) -> Result<User, AccountsError> {
        let mut faults = Faults::default();
        faults.overrides(&changes.limits.given());
        faults.limit("monthly_token_limit", changes.monthly_token_limit.flatten());
        faults.grant("quota_grant", changes.quota_grant.flatten());
        faults.none()?;
        let now = self.now();
        let tiers = self.settings.tiers;
        let edit = move |user: &mut User| apply_to_user(user, changes, &tiers, Month::of(now));
        let action = match changes.is_active {
            Some(true) => AuditAction::UserActivated,
            Some(false) => AuditAction::UserDeactivated,
            None => AuditAction::UserUpdated,
        };
        let audit = [self.entry(by, action, AuditSubject::User(id))];
        self.stores.users.edit(id, Arc::new(edit), now, &audit)?.ok_or(AccountsError::NotFound("user"))
    }

    /// Changes a key of anybody's, without the ceilings of its owner. Limits given here are an
    /// administrator's: they alone are checked for their window.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`], [`AccountsError::KeyRevoked`] for a revoked key that
    /// is to be switched on, or the store's.
    pub fn edit_key(&self, by: &By, id: KeyId, changes: &KeyChanges) -> Result<ListedKey, AccountsError> {
        let mut faults = Faults::default();
        let name = changes.name.as_deref().map(|name| faults.name("name", name));
        faults.permissions(changes.permissions.as_ref());
        faults.overrides(&changes.limits.given());
        let bounds = Bounds::judge(changes, &mut faults);
        faults.none()?;
        let listed = self.stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?;
        let asked = changes.permissions.as_ref();
        if asked.is_some_and(|asked| asked.allow(&Permission::Admin)) {
            let owner =
                self.stores.users.by_id(listed.key.user_id)?.ok_or(AccountsError::NotFound("user"))?;
            only_for_administrators(&owner)?;
        }
        let changes = KeyChanges { name, ..changes.clone() };
        let action = match changes.is_active {
            Some(true) => AuditAction::KeyActivated,
            Some(false) => AuditAction::KeyDeactivated,
            None => AuditAction::KeyUpdated,
        };
        let audit = [self.entry(by, action, AuditSubject::Key(id))];
        let switches_on = changes.is_active == Some(true);
        // As the transaction finds it, which may be later than it was read above.
        let comes_back = move |key: &ApiKey| switches_on && key.revoked_at.is_some();
        let edit = move |key: &mut ApiKey| {
            if !comes_back(key) {
                apply_to_key(key, &changes, &bounds);
            }
        };
        let key = self.stores.keys.edit(id, Arc::new(edit), self.now(), &audit)?;
        let key = key.ok_or(AccountsError::NotFound("key"))?;
        if comes_back(&key) {
            return Err(AccountsError::KeyRevoked);
        }
        Ok(ListedKey { key, ..listed })
    }

    /// Users, newest first; with `search`, those whose email, name or external id contains it.
    ///
    /// # Errors
    /// The store's.
    pub fn list_users(&self, page: &PageRequest, search: Option<&str>) -> Result<Page<User>, AccountsError> {
        Ok(self.stores.users.list(page, search)?)
    }

    /// Everybody's keys (or one user's), newest first, with what each did in the last `days`.
    ///
    /// # Errors
    /// The store's.
    pub fn list_all_keys(
        &self,
        user: Option<UserId>,
        include_inactive: bool,
        page: &PageRequest,
        days: i64,
    ) -> Result<(Page<ListedKey>, HashMap<KeyId, KeyTotals>), AccountsError> {
        let now = self.now();
        let keys = self.stores.keys.list(&KeyFilter { user, include_inactive, now, kind: None }, page)?;
        let ids: Vec<_> = keys.items.iter().map(|listed| listed.key.id).collect();
        let totals = self.stores.usage.key_totals(&ids, now - TimeDelta::days(days))?;
        Ok((keys, totals))
    }

    /// Revokes anybody's key, once and for ever; with `descendants`, those made by it, at any remove, too.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], or the store's.
    pub fn revoke_any_key(&self, by: &By, id: KeyId, descendants: bool) -> Result<ApiKey, AccountsError> {
        self.revoke(by, id, None, descendants)
    }
}

/// The permission `admin` goes with the role.
fn only_for_administrators(owner: &User) -> Result<(), AccountsError> {
    let mut faults = Faults::default();
    if owner.role != Role::Admin {
        faults.add(
            "permissions",
            "owner_is_no_admin",
            "must not hold `admin`: the owner has not the role admin",
        );
    }
    faults.none()
}

fn apply_to_user(user: &mut User, changes: UserChanges, tiers: &Tiers, month: Month) {
    if let Some(tier) = changes.tier {
        let floor = user.quota_floor.map_or(0, |floor| floor.within(month));
        let tokens = tiers.of(user.tier).monthly_tokens.max(floor);
        if tokens > tiers.of(tier).monthly_tokens {
            user.quota_floor = Some(MonthTokens { month, tokens });
        }
        user.tier = tier;
    }
    user.role = changes.role.unwrap_or(user.role);
    user.is_active = changes.is_active.unwrap_or(user.is_active);
    user.limits.minute = changes.limits.minute.unwrap_or(user.limits.minute);
    user.limits.hour = changes.limits.hour.unwrap_or(user.limits.hour);
    user.limits.day = changes.limits.day.unwrap_or(user.limits.day);
    user.monthly_token_limit = changes.monthly_token_limit.unwrap_or(user.monthly_token_limit);
    if let Some(grant) = changes.quota_grant {
        user.quota_grant = grant.map(|tokens| MonthTokens { month, tokens });
    }
}

impl Bounds {
    fn judge(changes: &KeyChanges, faults: &mut Faults) -> Self {
        let KeyChanges { metadata, allowed_ips, allowed_models, .. } = changes;
        Self {
            metadata: metadata.as_ref().map(|notes| faults.metadata(Some(notes))),
            allowed_ips: allowed_ips
                .as_ref()
                .map(|networks| faults.networks("allowed_ips", networks.as_deref().unwrap_or_default())),
            allowed_models: allowed_models
                .as_ref()
                .map(|models| faults.models("allowed_models", models.as_deref().unwrap_or_default())),
        }
    }
}

fn apply_to_key(key: &mut ApiKey, changes: &KeyChanges, bounds: &Bounds) {
    if let Some(name) = &changes.name {
        key.name.clone_from(name);
    }
    if let Some(permissions) = &changes.permissions {
        key.permissions = permissions.clone();
    }
    if let Some(metadata) = &bounds.metadata {
        key.metadata.clone_from(metadata);
    }
    if let Some(networks) = &bounds.allowed_ips {
        key.allowed_ips.clone_from(networks);
    }
    if let Some(models) = &bounds.allowed_models {
        key.allowed_models.clone_from(models);
    }
    let limits = &mut key.limits;
    let set = |own: &mut Option<u64>, by_admin: &mut bool, change: Change<u64>| {
        if let Some(limit) = change {
            *own = limit;
            *by_admin = limit.is_some();
        }
    };
    set(&mut limits.limits.minute, &mut limits.by_admin.minute, changes.limits.minute);
    set(&mut limits.limits.hour, &mut limits.by_admin.hour, changes.limits.hour);
    set(&mut limits.limits.day, &mut limits.by_admin.day, changes.limits.day);
    if let Some(tier) = changes.tier {
        limits.tier = tier;
        limits.by_admin.tier = tier.is_some();
    }
    if let Some(active) = changes.is_active {
        key.is_active = active;
        key.disabled_by_admin = !active;
    }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::Time;

    use super::*;
    use crate::{fixture::Counting, register::blank_user};

    #[test]
    fn a_lower_tier_keeps_the_months_tokens_and_the_next_month_loses_them() {
        let tiers = Tiers::default();
        let november = Month::of("2026-11-21T00:00:00Z".parse().unwrap());
        let mut user = blank_user(UserId::new(Time::UNIX_EPOCH, &Counting::default()), Time::UNIX_EPOCH);
        let to = |user: &mut User, tier, month| {
            apply_to_user(user, UserChanges { tier: Some(tier), ..UserChanges::default() }, &tiers, month);
        };
        to(&mut user, Tier::Pro, november);
        assert_eq!(user.monthly_tokens(&tiers, november), 100_000);
        to(&mut user, Tier::Free, november);
        assert_eq!(user.monthly_tokens(&tiers, november), 100_000);
        // Lowered twice: the highest of the month stays.
        to(&mut user, Tier::Enterprise, november);
        to(&mut user, Tier::Pro, november);
        to(&mut user, Tier::Free, november);
        assert_eq!(user.monthly_tokens(&tiers, november), 1_000_000);
        assert_eq!(user.monthly_tokens(&tiers, november.next()), 10_000);
        // The floor of a month that is over is no basis for the next one's.
        to(&mut user, Tier::Pro, november.next());
        to(&mut user, Tier::Free, november.next());
        assert_eq!(user.monthly_tokens(&tiers, november.next()), 100_000);
    }

    #[test]
    fn a_grant_is_of_its_month_and_takes_the_place_of_the_one_before() {
        let tiers = Tiers::default();
        let november = Month::of("2026-11-30T23:59:59Z".parse().unwrap());
        let mut user = blank_user(UserId::new(Time::UNIX_EPOCH, &Counting::default()), Time::UNIX_EPOCH);
        let grant = |user: &mut User, tokens, month| {
            let changes = UserChanges { quota_grant: Some(tokens), ..UserChanges::default() };
            apply_to_user(user, changes, &tiers, month);
            user.monthly_tokens(&tiers, month)
        };
        assert_eq!(grant(&mut user, Some(500), november), 10_500);
        assert_eq!(grant(&mut user, Some(300), november), 10_300, "sets, does not add");
        assert_eq!(user.monthly_tokens(&tiers, november.next()), 10_000);
        assert_eq!(grant(&mut user, Some(0), november), 10_000);
        assert_eq!(grant(&mut user, Some(7), november.next()), 10_007);
        assert_eq!(user.granted_tokens(november), 0);
        assert_eq!(grant(&mut user, None, november.next()), 10_000);
        // Beyond whatever the limit is: an administrator's own, the floor of a tier that was left.
        user.monthly_token_limit = Some(u64::MAX - 1);
        assert_eq!(grant(&mut user, Some(5), november), u64::MAX);
        user.monthly_token_limit = None;
        let to = |user: &mut User, tier| {
            apply_to_user(user, UserChanges { tier: Some(tier), ..UserChanges::default() }, &tiers, november);
            user.monthly_tokens(&tiers, november)
        };
        assert_eq!(to(&mut user, Tier::Pro), 100_005);
        assert_eq!(to(&mut user, Tier::Free), 100_005, "once, not twice");
    }

    #[test]
    fn what_is_not_named_stays_and_null_takes_away() {
        let mut user = blank_user(UserId::new(Time::UNIX_EPOCH, &Counting::default()), Time::UNIX_EPOCH);
        let month = Month::of(Time::UNIX_EPOCH);
        let limits = LimitChanges { minute: Some(Some(5)), day: Some(Some(9)), ..LimitChanges::default() };
        apply_to_user(&mut user, UserChanges { limits, ..UserChanges::default() }, &Tiers::default(), month);
        let limits = LimitChanges { minute: Some(None), ..LimitChanges::default() };
        apply_to_user(&mut user, UserChanges { limits, ..UserChanges::default() }, &Tiers::default(), month);
        assert_eq!(user.limits, LimitOverrides { minute: None, hour: None, day: Some(9) });
        assert!(user.is_active);
    }
}
