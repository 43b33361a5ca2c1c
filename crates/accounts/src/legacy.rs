//! Keys that stand in plain in the configuration file. Each is kept as every other key is, by its hash, and has a user
//! of its own. The file has the say over name, permissions and hourly limit, and over whether the key works at all:
//! one that left the file has expired, and is good again when it comes back. What else administrators decide of such
//! a key (that it is revoked, switched off, bound to networks) is not the file's.

use std::{collections::HashSet, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, KeyHash, KeyId, KeyKind, KeyText, LimitOverrides, Permission,
    Permissions, Role, User, UserId, limit::GivenByAdmin,
};
use tollgate_store::{Imported, KeyFilter, KeyImport, PageRequest, UserImport, page::MAX_PAGE};

use crate::{Accounts, AccountsError, By, field::Faults, register::blank_user};

/// How often a key is tried that others take over at the same time.
const ATTEMPTS: u32 = 3;
/// How much of a key is shown: whoever wrote it by hand may have put little into it.
const SHOWN_CHARS: usize = 4;
/// What keeps the hashes in users' external ids apart from every other kind's.
const PURPOSE: &str = "legacy user";
/// How much of such a hash is in an external id, in bytes.
const EXTERNAL_ID_BYTES: usize = 8;

/// A key as it stands in the file.
#[derive(Debug, Clone)]
pub struct LegacyKey {
    /// The key.
    pub text: SecretString,
    /// What it and its user are called.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Requests in any hour; `None` for what its user may.
    pub hourly_limit: Option<u64>,
}

/// How a key of the file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyState {
    /// It was taken over just now.
    Made(KeyId),
    /// It was known, and is now as the file says.
    Changed(KeyId),
    /// It was as the file says.
    Unchanged(KeyId),
    /// It is as the file says, and yet an administrator ended it or its user, or switched one of them off.
    Ended(KeyId),
    /// The same text is another key already, which stays as it is.
    Taken(KeyId),
    /// It has got another secret since, or was deleted with its user; it is not brought back.
    Gone,
}

/// What became of the keys of the file, and of those that have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// How each key of the file stands, in their order.
    pub states: Vec<LegacyState>,
    /// Keys that the file holds no more, and that have ended just now.
    pub left: Vec<KeyId>,
}

impl Accounts {
    /// Makes the legacy keys what the file says, and ends those that it holds no more. Doing it again, or at the same
    /// time elsewhere, changes nothing.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] for a key that could never be presented or without a proper name, or the store's;
    /// what was done until then stays.
    pub fn follow_file(&self, keys: &[LegacyKey]) -> Result<Followed, AccountsError> {
        let by = By::system();
        let mut states = Vec::with_capacity(keys.len());
        for key in keys {
            states.push(self.follow(&by, key)?);
        }
        let held = states.iter().filter_map(LegacyState::id).collect();
        Ok(Followed { states, left: self.end_others(&by, &held)? })
    }

    fn follow(&self, by: &By, given: &LegacyKey) -> Result<LegacyState, AccountsError> {
        let mut faults = Faults::default();
        let name = faults.name("name", &given.name);
        faults.limit("rate_limit", given.hourly_limit);
        let text = faults.take("key", "malformed", KeyText::parse(given.text.expose_secret()));
        faults.none()?;
        let text = text.ok_or(AccountsError::Internal("a malformed legacy key was read"))?;
        let given = LegacyKey { name, ..given.clone() };
        let hashes: Vec<KeyHash> = self.settings.pepper.hashes(&text).collect();
        for _ in 0..ATTEMPTS {
            if let Some(known) = self.known_legacy(by, &given, &hashes)? {
                return Ok(known);
            }
            let new = self.new_legacy_key(by, &given, &text, hashes.clone());
            let id = new.key.id;
            match self.stores.keys.import(&[new], false)?.first() {
                Some(Imported::Made | Imported::MadeWithOwner) => return Ok(LegacyState::Made(id)),
                // Where another server has just made it, it is there now.
                Some(Imported::Known) => {
                    return Ok(self.known_legacy(by, &given, &hashes)?.unwrap_or(LegacyState::Gone));
                }
                Some(Imported::Contended | Imported::IdTaken) | None => {}
            }
        }
        Err(AccountsError::Internal("others went on changing the user of a legacy key"))
    }

    /// Makes the key with one of these hashes what the file says; `None` where there is none.
    fn known_legacy(
        &self,
        by: &By,
        given: &LegacyKey,
        hashes: &[KeyHash],
    ) -> Result<Option<LegacyState>, AccountsError> {
        for hash in hashes {
            let Some(found) = self.stores.keys.by_hash(hash)? else { continue };
            if found.kind != KeyKind::Legacy {
                // By a secret that it has no more, for as long as that is good beside the new one.
                let own =
                    found.expires_at == self.stores.keys.by_id(found.id)?.and_then(|now| now.key.expires_at);
                return Ok(Some(if own { LegacyState::Taken(found.id) } else { LegacyState::Gone }));
            }
            if let Some(newest) = hashes.first().filter(|newest| *newest != hash) {
                self.stores.keys.rehash(hash, newest)?;
            }
            return self.made_as_given(by, given, &found).map(Some);
        }
        Ok(None)
    }

    fn made_as_given(
        &self,
        by: &By,
        given: &LegacyKey,
        found: &ApiKey,
    ) -> Result<LegacyState, AccountsError> {
        let (id, now) = (found.id, self.now());
        let user = self.stores.users.by_id(found.user_id)?.ok_or(AccountsError::NotFound("user"))?;
        let mut as_given = user.clone();
        set_user(&mut as_given, given);
        // The user comes first: losing the role takes `admin` off the user's keys.
        if as_given != user {
            let (given, subject) = (given.clone(), AuditSubject::User(user.id));
            let audit = [self.entry(by, AuditAction::UserUpdated, subject)];
            let edit = move |user: &mut User| set_user(user, &given);
            self.stores.users.edit(user.id, Arc::new(edit), now, &audit)?;
        }
        let mut as_named = found.clone();
        set_key(&mut as_named, given);
        if as_named != *found {
            let given = given.clone();
            let audit = [self.entry(by, AuditAction::KeyUpdated, AuditSubject::Key(id))];
            let edit = move |key: &mut ApiKey| set_key(key, &given);
            self.stores.keys.edit(id, Arc::new(edit), now, &audit)?;
        }
        Ok(if as_named.check(now).is_err() || !user.is_active {
            LegacyState::Ended(id)
        } else if as_named == *found && as_given == user {
            LegacyState::Unchanged(id)
        } else {
            LegacyState::Changed(id)
        })
    }

    fn new_legacy_key(&self, by: &By, given: &LegacyKey, text: &KeyText, hashes: Vec<KeyHash>) -> KeyImport {
        let now = self.now();
        let digest = self.keyed_hash(PURPOSE, text.expose().as_bytes());
        let short: String = digest.iter().take(EXTERNAL_ID_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let mut owner = User {
            external_id: Some(format!("legacy:{short}")),
            ..blank_user(UserId::new(now, &*self.random), now)
        };
        set_user(&mut owner, given);
        let shown: String = text.expose().chars().take(SHOWN_CHARS).collect();
        let mut key = ApiKey {
            kind: KeyKind::Legacy,
            preview: format!("{shown}…"),
            prefix: shown,
            ..ApiKey::blank(KeyId::new(now, &*self.random), owner.id, now)
        };
        set_key(&mut key, given);
        let audit = self.entry(by, AuditAction::KeyImported, AuditSubject::Key(key.id));
        let owner_audit = self.entry(by, AuditAction::UserImported, AuditSubject::User(owner.id));
        let owner = UserImport { user: owner, password_hash: None, audit: owner_audit };
        KeyImport { key, hashes, last_used_at: None, owner, audit }
    }

    /// Ends the legacy keys that are not among `held`; gives those that had not ended before.
    fn end_others(&self, by: &By, held: &HashSet<KeyId>) -> Result<Vec<KeyId>, AccountsError> {
        let now = self.now();
        let filter = KeyFilter { user: None, include_inactive: true, now, kind: Some(KeyKind::Legacy) };
        let mut page = PageRequest { limit: MAX_PAGE, after: None };
        let mut left = Vec::new();
        // As many pages as there ever were keys in the file.
        loop {
            let found = self.stores.keys.list(&filter, &page)?;
            for ApiKey { id, expires_at, .. } in found.items.into_iter().map(|listed| listed.key) {
                if held.contains(&id) || expires_at.is_some() {
                    continue;
                }
                let audit = [self.entry(by, AuditAction::KeyUpdated, AuditSubject::Key(id))];
                let end = move |key: &mut ApiKey| key.expires_at = Some(now);
                self.stores.keys.edit(id, Arc::new(end), now, &audit)?;
                left.push(id);
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => return Ok(left),
            }
        }
    }
}

impl LegacyState {
    /// The legacy key that stands for the entry.
    fn id(&self) -> Option<KeyId> {
        match self {
            Self::Made(id) | Self::Changed(id) | Self::Unchanged(id) | Self::Ended(id) => Some(*id),
            Self::Taken(_) | Self::Gone => None,
        }
    }
}

fn set_user(user: &mut User, given: &LegacyKey) {
    user.name = Some(given.name.clone());
    user.role = if given.permissions.allow(&Permission::Admin) { Role::Admin } else { Role::User };
}

fn set_key(key: &mut ApiKey, given: &LegacyKey) {
    key.name.clone_from(&given.name);
    key.permissions = given.permissions.clone();
    key.limits.limits = LimitOverrides { hour: given.hourly_limit, ..key.limits.limits };
    key.limits.by_admin = GivenByAdmin { hour: given.hourly_limit.is_some(), ..key.limits.by_admin };
    key.expires_at = None;
}
