//! A user's own keys: making, listing, revoking, and the ceilings under which they are made.

mod ceiling;

use chrono::TimeDelta;
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Environment, KeyId, KeyKind, KeyText, LimitOverrides, Permission,
    Permissions, Tier, limit::KeyLimits,
};
use tollgate_store::{KeyFilter, ListedKey, Page, PageRequest};

use crate::{Accounts, AccountsError, Actor, field::Faults};

/// A wish for a key. What is not named takes the caller's defaults.
#[derive(Debug, Clone, Default)]
pub struct KeyWish {
    /// What to call it.
    pub name: String,
    /// The tier whose three limits it has.
    pub tier: Option<Tier>,
    /// What it may reach.
    pub environment: Option<Environment>,
    /// Days until it expires.
    pub expires_in_days: Option<i64>,
    /// What it may do.
    pub permissions: Option<Permissions>,
    /// Its own limits.
    pub limits: LimitOverrides,
    /// Its owner's notes.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A new key.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: ApiKey,
    /// Its secret, to be shown this once.
    pub secret: KeyText,
}

impl Accounts {
    /// Makes a key of the actor's own.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::Beyond`] when the wish is more than the actor has,
    /// [`AccountsError::TooManyKeys`], or the store's.
    pub fn create_key(&self, actor: &Actor, wish: &KeyWish) -> Result<CreatedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let mut faults = Faults::default();
        let name = faults.name("name", &wish.name);
        faults.expiry_days("expires_in_days", wish.expires_in_days);
        faults.overrides(&wish.limits);
        let metadata = faults.metadata(wish.metadata.as_ref());
        faults.none()?;

        let now = self.now();
        let expires_at = wish.expires_in_days.map(|days| now + TimeDelta::days(days));
        let given = ceiling::under(actor, &self.settings, wish, expires_at)?;
        let (mut new, secret) = self.blank_key(
            actor.user.id,
            &name,
            KeyKind::Ordinary,
            given.environment,
            given.permissions,
            now,
        );
        new.key.limits = KeyLimits { tier: given.tier, limits: given.limits, ..KeyLimits::default() };
        new.key.expires_at = given.expires_at;
        new.key.created_by_key = actor.key.as_ref().map(|key| key.id);
        new.key.metadata = metadata;
        let max = self.settings.max_keys_per_user;
        let audit = [self.entry(&actor.by(), AuditAction::KeyCreated, AuditSubject::Key(new.key.id))];
        if !self.stores.keys.create(&new, max, &audit)? {
            return Err(AccountsError::TooManyKeys { max });
        }
        Ok(CreatedKey { key: new.key, secret })
    }

    /// The actor's own keys, newest first.
    ///
    /// # Errors
    /// [`AccountsError::Beyond`] for a key without `keys:manage`, or the store's.
    pub fn list_keys(
        &self,
        actor: &Actor,
        include_inactive: bool,
        page: &PageRequest,
    ) -> Result<Page<ListedKey>, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let filter = KeyFilter { user: Some(actor.user.id), include_inactive, now: self.now() };
        Ok(self.stores.keys.list(&filter, page)?)
    }

    /// Revokes one of the actor's own keys, once and for ever.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] for another user's key and for none alike, [`AccountsError::Beyond`] for
    /// a key without `keys:manage`, or the store's.
    pub fn revoke_key(&self, actor: &Actor, id: KeyId) -> Result<ApiKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let owner = Some(actor.user.id);
        let audit = [self.entry(&actor.by(), AuditAction::KeyRevoked, AuditSubject::Key(id))];
        self.stores.keys.revoke(id, owner, self.now(), &audit)?.ok_or(AccountsError::NotFound("key"))
    }
}

impl Faults {
    /// Limits by window, each 1 to [`tollgate_domain::limit::MAX_LIMIT`].
    pub fn overrides(&mut self, limits: &LimitOverrides) {
        self.limit("minute_limit", limits.minute);
        self.limit("hourly_limit", limits.hour);
        self.limit("daily_limit", limits.day);
    }
}
