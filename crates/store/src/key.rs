//! API keys.

use std::sync::Arc;

use tollgate_domain::{ApiKey, AuditEntry, Email, KeyHash, KeyId, KeyKind, SessionId, Time, UserId};

use crate::{Edit, Imported, KeyImport, Page, PageRequest, StoreError};

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// Its secret, sealed; only the `Editor` key is kept recoverably.
    pub sealed: Option<Vec<u8>>,
    /// With what it is made, where that can end.
    pub maker: Option<Maker>,
}

/// With what a key or another secret of one is made: it must be as good then as it was when it was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// An access token of this session.
    Session(SessionId),
    /// This key, as it was when it had last been changed at this time.
    Key(KeyId, Time),
}

/// The live `Editor` key of a user.
#[derive(Debug, Clone)]
pub struct EditorKey {
    /// The key.
    pub key: ApiKey,
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
}

/// Which keys a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Also those that are disabled, revoked or expired at `now`.
    pub include_inactive: bool,
    /// The present time.
    pub now: Time,
    /// Only keys that were made for this reason.
    pub kind: Option<KeyKind>,
}

/// A key with what lists show beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub key: ApiKey,
    /// Its owner's address.
    pub owner_email: Option<Email>,
    /// Requests ever made with it, as of the last fold.
    pub request_count: u64,
    /// When it was last used, as of the last fold.
    pub last_used_at: Option<Time>,
}

/// A secret that takes the place of a key's.
#[derive(Debug, Clone)]
pub struct KeyRotation {
    /// The key.
    pub id: KeyId,
    /// Its owner, where it must be the owner's.
    pub owner: Option<UserId>,
    /// The hash of the new secret.
    pub hash: KeyHash,
    /// The prefix that it was made with.
    pub prefix: String,
    /// What people see of it.
    pub preview: String,
    /// It, sealed, where the key is kept recoverably.
    pub sealed: Option<Vec<u8>>,
    /// Until when the old secret is good as well; `None` for not at all.
    pub grace_until: Option<Time>,
    /// With what it is made, where that can end.
    pub maker: Option<Maker>,
    /// The present time.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// How many old secrets of a key are good at once: the one that was replaced last, and of those before it the ones whose
/// grace ends last.
pub const MAX_RETIRED: usize = 5;

/// Makes what the audit log tells of a key.
pub type EntryOf = Arc<dyn Fn(KeyId) -> AuditEntry + Send + Sync>;

/// Where keys are kept. What is done is told by the entries of `audit`, written in the same transaction; where nothing
/// is done, nothing is told.
pub trait KeyStore: Send + Sync {
    /// Makes a key. `false`, and nothing made, when its user already has `max_per_user` keys that are
    /// not revoked.
    ///
    /// # Errors
    /// `Conflict { entity: "key", field: "hash" }` where the secret is taken, `field: "maker"` where the session has ended
    /// or the key that makes it has ended, was changed or rotated.
    fn create(&self, key: &NewKey, max_per_user: u32, audit: &[AuditEntry]) -> Result<bool, StoreError>;

    /// The key whose secret has this hash, whatever its state. By a secret that a rotation took and whose grace
    /// lasts, the key expires with the grace.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError>;

    /// The key of this id, whatever its state.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_id(&self, id: KeyId) -> Result<Option<ListedKey>, StoreError>;

    /// Keys, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn list(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<ListedKey>, StoreError>;

    /// Changes a key as `edit` says and sets `updated_at`; gives the key as it is afterwards. An edit that changes
    /// nothing does nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn edit(
        &self,
        id: KeyId,
        edit: Edit<ApiKey>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError>;

    /// Revokes a key, once and for ever, and forgets its sealed secret; a second time changes nothing.
    /// With `owner`, only that user's. `None` where there is no such key.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn revoke(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError>;

    /// Revokes a key and every key that was made by it, by those, and so on, but for those of other users; tells of each
    /// that was not revoked before. `None` where there is no such key.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn revoke_descendants(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &EntryOf,
    ) -> Result<Option<ApiKey>, StoreError>;

    /// Gives a key that is not revoked a new secret under the same id; a legacy key is an ordinary one from then on, since
    /// it is no longer what stands in the configuration file. `None` where there is no such key.
    ///
    /// # Errors
    /// As [`KeyStore::create`].
    fn rotate(&self, rotation: &KeyRotation) -> Result<Option<ApiKey>, StoreError>;

    /// Keeps the secret with the hash `from`, a key's own or one of a grace, under `to` from now on: the same secret
    /// under a newer pepper. `false` where no secret has it any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn rehash(&self, from: &KeyHash, to: &KeyHash) -> Result<bool, StoreError>;

    /// The user's `Editor` key that is not revoked.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn editor(&self, user: UserId) -> Result<Option<EditorKey>, StoreError>;

    /// Makes `key` the user's `Editor` key unless there is one that is not revoked; gives the one that
    /// is there afterwards. `max_per_user` does not apply.
    ///
    /// # Errors
    /// As [`KeyStore::create`].
    fn create_editor(&self, key: &NewKey, audit: &[AuditEntry]) -> Result<EditorKey, StoreError>;

    /// Takes over keys of other systems, with the users that they need, in one transaction; tells what became of each
    /// key, in their order. A key that cannot be taken holds up no other. With `dry_run` nothing is written, and what
    /// would become of each is told as if it came alone.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was done then.
    fn import(&self, batch: &[KeyImport], dry_run: bool) -> Result<Vec<Imported>, StoreError>;

    /// Ids of keys that begin with `prefix` (hexadecimal digits without hyphens), at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn ids_by_prefix(&self, prefix: &str, limit: u32) -> Result<Vec<KeyId>, StoreError>;
}
