//! The user as whom requests without a key run where authentication is switched off. Its key has no secret: the hash
//! under which it is stored is no text's, so that nobody can present it.

use std::sync::Arc;

use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Environment, KeyHash, KeyId, KeyKind, Permission, Permissions, User,
    UserId,
};
use tollgate_store::{NewUser, StoreError};

use crate::{Accounts, AccountsError, By, register::blank_user};

/// The external id, unless somebody has it.
const EXTERNAL_ID: &str = "anonymous";
/// What the user and its key are called.
const NAME: &str = "Anonymous";
/// How often the user is tried to be made: an external id may be taken, another server may do the same.
const ATTEMPTS: u32 = 3;

/// The anonymous user's key, and whether it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anonymous {
    /// The key.
    pub key: KeyId,
    /// False where an administrator has ended it or its user, or switched one of them off.
    pub is_open: bool,
}

impl Accounts {
    /// Sees to it that there is an anonymous user of the free tier with one key, which may do what is allowed by default,
    /// but for managing and verifying keys and administering.
    ///
    /// # Errors
    /// The store's.
    pub fn ensure_anonymous(&self) -> Result<Anonymous, AccountsError> {
        let by = By::system();
        let hashes = self.settings.pepper.anonymous_hashes();
        let newest = *hashes.first().ok_or(AccountsError::Internal("there is no pepper"))?;
        let mut external_id = EXTERNAL_ID.to_owned();
        for _ in 0..ATTEMPTS {
            if let Some(known) = self.known_anonymous(&by, &hashes, newest)? {
                return Ok(known);
            }
            match self.make_anonymous(&by, &external_id, newest) {
                Ok(key) => return Ok(Anonymous { key, is_open: true }),
                // By another server, which is seen to next, or else by somebody who is known by that name elsewhere.
                Err(AccountsError::Store(StoreError::Conflict { entity: "user", .. })) => {
                    external_id = format!("{EXTERNAL_ID}:{}", UserId::new(self.now(), &*self.random));
                }
                Err(AccountsError::Store(StoreError::Conflict { .. })) => {}
                Err(other) => return Err(other),
            }
        }
        Err(AccountsError::Internal("the anonymous user could not be made"))
    }

    fn known_anonymous(
        &self,
        by: &By,
        hashes: &[KeyHash],
        newest: KeyHash,
    ) -> Result<Option<Anonymous>, AccountsError> {
        for hash in hashes {
            let Some(found) = self.stores.keys.by_hash(hash)? else { continue };
            if *hash != newest {
                self.stores.keys.rehash(hash, &newest)?;
            }
            let (now, permissions) = (self.now(), self.anonymous_permissions());
            let audit = [self.entry(by, AuditAction::KeyUpdated, AuditSubject::Key(found.id))];
            let edit = move |key: &mut ApiKey| key.permissions = permissions.clone();
            let key = self.stores.keys.edit(found.id, Arc::new(edit), now, &audit)?;
            let user = self.stores.users.by_id(found.user_id)?;
            let is_open =
                key.is_some_and(|key| key.check(now).is_ok()) && user.is_some_and(|user| user.is_active);
            return Ok(Some(Anonymous { key: found.id, is_open }));
        }
        Ok(None)
    }

    fn make_anonymous(&self, by: &By, external_id: &str, hash: KeyHash) -> Result<KeyId, AccountsError> {
        let now = self.now();
        let user = User {
            external_id: Some(external_id.to_owned()),
            name: Some(NAME.to_owned()),
            ..blank_user(UserId::new(now, &*self.random), now)
        };
        let permissions = self.anonymous_permissions();
        let (mut new, _no_text_has_this_hash) =
            self.blank_key(user.id, NAME, KeyKind::Ordinary, Environment::Live, permissions, now);
        new.hash = hash;
        new.key.prefix = String::new();
        new.key.preview = String::new();
        let audit = [
            self.entry(by, AuditAction::UserCreated, AuditSubject::User(user.id)),
            self.entry(by, AuditAction::KeyCreated, AuditSubject::Key(new.key.id)),
        ];
        self.stores.users.create(&NewUser { user, password_hash: None }, Some(&new), &audit)?;
        Ok(new.key.id)
    }

    fn anonymous_permissions(&self) -> Permissions {
        let never = [Permission::KeysManage, Permission::KeysVerify, Permission::Admin];
        let defaults = &self.settings.default_permissions;
        defaults.iter().filter(|permission| !never.contains(permission)).cloned().collect()
    }
}
