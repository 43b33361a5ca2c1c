//! A new secret for a key under the same id.

use chrono::TimeDelta;
use tollgate_domain::{AuditAction, AuditSubject, KeyId, KeyKind, KeyText, Permission};
use tollgate_store::{KeyRotation, ListedKey};

use super::{caller_ended, compare};
use crate::{Accounts, AccountsError, Actor, By, field::Faults};

/// The longest that an old secret goes on, in seconds: thirty days.
pub const MAX_GRACE_SECONDS: u32 = 30 * 24 * 60 * 60;

/// A key with another secret.
#[derive(Debug)]
pub struct RotatedKey {
    /// The key, with what was counted under its secrets before.
    pub listed: ListedKey,
    /// Its new secret, to be shown this once.
    pub secret: KeyText,
}

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
    ) -> Result<RotatedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let listed = self.own_key(actor, id)?;
        if let Some(by) = &actor.key {
            compare::no_more(&listed.key, by, &actor.user, &self.settings.tiers)?;
        }
        self.rotate(&actor.by(), listed, grace_seconds)
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
    ) -> Result<RotatedKey, AccountsError> {
        let listed = self.stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?;
        self.rotate(by, listed, grace_seconds)
    }

    fn rotate(&self, by: &By, listed: ListedKey, grace_seconds: u32) -> Result<RotatedKey, AccountsError> {
        let mut faults = Faults::default();
        if grace_seconds > MAX_GRACE_SECONDS {
            let rule = format!("must be 0 to {MAX_GRACE_SECONDS}");
            faults.add("grace_period_seconds", "out_of_range", rule);
        }
        faults.none()?;
        let key = &listed.key;
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
        Ok(RotatedKey { listed: ListedKey { key, ..listed }, secret })
    }
}
