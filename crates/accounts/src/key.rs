//! A user's own keys: making, listing, revoking, and the ceilings under which they are made.

pub(crate) mod ceiling;
pub mod change;
mod compare;
mod expiring;
pub mod rotate;

use std::sync::Arc;

use chrono::TimeDelta;
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Environment, KeyId, KeyKind, KeyText, LimitOverrides, Permission,
    Permissions, Tier, UserId, limit::KeyLimits,
};
use tollgate_store::{EntryOf, KeyFilter, ListedKey, Page, PageRequest, StoreError};

use crate::{Accounts, AccountsError, Actor, Beyond, By, audit, field::Faults};
use ceiling::Bounds;

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
    /// The networks from which alone it may be used.
    pub allowed_ips: Option<Vec<String>>,
    /// The models that alone it may ask.
    pub allowed_models: Option<Vec<String>>,
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
    /// [`AccountsError::TooManyKeys`], [`AccountsError::CallerEnded`], or the store's.
    pub fn create_key(&self, actor: &Actor, wish: &KeyWish) -> Result<CreatedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let mut faults = Faults::default();
        let name = faults.name("name", &wish.name);
        faults.expiry_days("expires_in_days", wish.expires_in_days);
        faults.permissions(wish.permissions.as_ref());
        faults.overrides(&wish.limits);
        let metadata = faults.metadata(wish.metadata.as_ref());
        let bounds = Bounds {
            networks: wish.allowed_ips.as_deref().map(|texts| faults.networks("allowed_ips", texts)),
            models: wish.allowed_models.as_deref().map(|names| faults.models("allowed_models", names)),
        };
        faults.none()?;

        let now = self.now();
        let expires_at = wish.expires_in_days.map(|days| now + TimeDelta::days(days));
        let given = ceiling::under(actor, &self.settings, wish, expires_at, bounds)?;
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
        new.key.allowed_ips = given.allowed_ips;
        new.key.allowed_models = given.allowed_models;
        new.key.created_by_key = actor.key.as_ref().map(|key| key.id);
        new.key.metadata = metadata;
        let by = actor.by();
        new.maker = by.maker;
        let max = self.settings.max_keys_per_user;
        let audit = [self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(new.key.id))];
        match self.stores.keys.create(&new, max, &audit) {
            Ok(true) => Ok(CreatedKey { key: new.key, secret }),
            Ok(false) => Err(AccountsError::TooManyKeys { max }),
            Err(error) => Err(caller_ended(error)),
        }
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
        let filter = KeyFilter { user: Some(actor.user.id), include_inactive, now: self.now(), kind: None };
        Ok(self.stores.keys.list(&filter, page)?)
    }

    /// One of the actor's own keys.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] for another user's key and for none alike, [`AccountsError::Beyond`] for
    /// a key without `keys:manage`, or the store's.
    pub fn show_key(&self, actor: &Actor, id: KeyId) -> Result<ListedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        self.own_key(actor, id)
    }

    /// The key whose usage the actor asks for: with `keys:manage` any of the user's, with `usage:read` the calling one.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] for every other key, [`AccountsError::Beyond`] for a key with neither, or the store's.
    pub fn key_of_usage(&self, actor: &Actor, id: KeyId) -> Result<ApiKey, AccountsError> {
        if actor.require(Permission::KeysManage).is_err() {
            actor.require(Permission::UsageRead)?;
            if actor.key.as_ref().is_some_and(|key| key.id != id) {
                return Err(AccountsError::NotFound("key"));
            }
        }
        Ok(self.own_key(actor, id)?.key)
    }

    /// One of the actor's own keys, whatever the actor may do with it.
    pub(crate) fn own_key(&self, actor: &Actor, id: KeyId) -> Result<ListedKey, AccountsError> {
        let found = self.stores.keys.by_id(id)?.filter(|found| found.key.user_id == actor.user.id);
        found.ok_or(AccountsError::NotFound("key"))
    }

    /// Revokes the calling key, whatever it may do: the end of one that leaked.
    ///
    /// # Errors
    /// [`AccountsError::Beyond`] for an access token, or the store's.
    pub fn revoke_self(&self, actor: &Actor) -> Result<(), AccountsError> {
        let id = actor.key.as_ref().ok_or(Beyond::NoKey)?.id;
        let audit = [self.entry(&actor.by(), AuditAction::KeyRevoked, AuditSubject::Key(id))];
        self.stores.keys.revoke(id, None, self.now(), &audit)?;
        Ok(())
    }

    /// Revokes one of the actor's own keys, once and for ever; with `descendants`, those made by it, at any remove, too.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] for another user's key and for none alike, [`AccountsError::Beyond`] for
    /// a key without `keys:manage`, or the store's.
    pub fn revoke_key(&self, actor: &Actor, id: KeyId, descendants: bool) -> Result<ApiKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        self.revoke(&actor.by(), id, Some(actor.user.id), descendants)
    }

    pub(crate) fn revoke(
        &self,
        by: &By,
        id: KeyId,
        owner: Option<UserId>,
        descendants: bool,
    ) -> Result<ApiKey, AccountsError> {
        let now = self.now();
        let revoked = if descendants {
            self.stores.keys.revoke_descendants(id, owner, now, &self.revocations(by))?
        } else {
            let audit = [self.entry(by, AuditAction::KeyRevoked, AuditSubject::Key(id))];
            self.stores.keys.revoke(id, owner, now, &audit)?
        };
        revoked.ok_or(AccountsError::NotFound("key"))
    }
}

/// What it means that a key or a secret cannot be made.
pub(crate) fn caller_ended(error: StoreError) -> AccountsError {
    match error {
        StoreError::Conflict { entity: "key", field: "maker" } => AccountsError::CallerEnded,
        other => other.into(),
    }
}

impl Accounts {
    /// What the audit log tells of each key that is revoked.
    pub(crate) fn revocations(&self, by: &By) -> EntryOf {
        let (random, now, by) = (Arc::clone(&self.random), self.now(), by.clone());
        Arc::new(move |id| audit::entry(&by, AuditAction::KeyRevoked, AuditSubject::Key(id), now, &*random))
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
