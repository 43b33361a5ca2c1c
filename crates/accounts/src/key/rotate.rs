//! A new secret for a key under the same id.

use chrono::TimeDelta;
use tollgate_domain::{ApiKey, AuditAction, AuditSubject, KeyId, KeyKind, Permission};
use tollgate_store::KeyRotation;

use super::{CreatedKey, caller_ended, compare};
use crate::{Accounts, AccountsError, Actor, By, field::Faults};

/// The longest that an old secret goes on, in seconds: thirty days.
pub const MAX_GRACE_SECONDS: u32 = 30 * 24 * 60 * 60;

impl Accounts {
    /// Gives one of the actor's own keys a new secret. The old one is good for `grace_seconds` more; without any, it and
    /// those before it end at once.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`] for another user's key and for none alike,
    /// [`AccountsError::KeyRevoked`], [`AccountsError::Beyond`] for a key that holds more than the calling one,
    /// [`AccountsError::CallerEnded`], or the store's.
    pub fn rotate_key(
        &self,
        actor: &Actor,
        id: KeyId,
        grace_seconds: u32,
    ) -> Result<CreatedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let key = self.own_key(actor, id)?.key;
        if let Some(by) = &actor.key {
            compare::no_more(&key, by, &actor.user, &self.settings.tiers)?;
        }
        self.rotate(&actor.by(), &key, grace_seconds)
    }

    /// The same for anybody's key, by an administrator.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`], [`AccountsError::KeyRevoked`],
    /// [`AccountsError::CallerEnded`], or the store's.
    pub fn rotate_any_key(
        &self,
        by: &By,
        id: KeyId,
        grace_seconds: u32,
    ) -> Result<CreatedKey, AccountsError> {
        let key = self.stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?.key;
        self.rotate(by, &key, grace_seconds)
    }

    fn rotate(&self, by: &By, key: &ApiKey, grace_seconds: u32) -> Result<CreatedKey, AccountsError> {
        let mut faults = Faults::default();
        if grace_seconds > MAX_GRACE_SECONDS {
            let rule = format!("must be 0 to {MAX_GRACE_SECONDS}");
            faults.add("grace_period_seconds", "out_of_range", rule);
        }
        faults.none()?;
        if key.revoked_at.is_some() {
            return Err(AccountsError::KeyRevoked);
        }
        let now = self.now();
        let (secret, hash) = self.new_secret(key.environment);
        let sealed = match key.kind {
            KeyKind::Editor => Some(self.sealed_editor_secret(key.user_id, &secret)?),
            KeyKind::Ordinary | KeyKind::Primary | KeyKind::Legacy => None,
        };
        let rotation = KeyRotation {
            id: key.id,
            owner: Some(key.user_id),
            hash,
            prefix: self.key_prefix(key.environment).to_owned(),
            preview: secret.preview(),
            sealed,
            grace_until: (grace_seconds > 0).then(|| now + TimeDelta::seconds(grace_seconds.into())),
            maker: by.maker,
            now,
            audit: vec![self.entry(by, AuditAction::KeyRotated, AuditSubject::Key(key.id))],
        };
        // Nothing but a revocation came between.
        let rotated = self.stores.keys.rotate(&rotation).map_err(caller_ended)?;
        let key = rotated.ok_or(AccountsError::KeyRevoked)?;
        Ok(CreatedKey { key, secret })
    }
}
