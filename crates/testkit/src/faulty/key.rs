//! API keys.

use tollgate_domain::{ApiKey, AuditEntry, KeyHash, KeyId, Time, UserId};
use tollgate_store::{
    Edit, EditorKey, EntryOf, Imported, KeyFilter, KeyImport, KeyRotation, KeyStore, ListedKey, NewKey, Page,
    PageRequest, StoreError,
};

use super::Wrapped;

impl KeyStore for Wrapped<dyn KeyStore> {
    fn create(&self, key: &NewKey, max_per_user: u32, audit: &[AuditEntry]) -> Result<bool, StoreError> {
        self.call("keys.create", |inner| inner.create(key, max_per_user, audit))
    }

    fn by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.call("keys.by_hash", |inner| inner.by_hash(hash))
    }

    fn by_id(&self, id: KeyId) -> Result<Option<ListedKey>, StoreError> {
        self.call("keys.by_id", |inner| inner.by_id(id))
    }

    fn list(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<ListedKey>, StoreError> {
        self.call("keys.list", |inner| inner.list(filter, page))
    }

    fn edit(
        &self,
        id: KeyId,
        edit: Edit<ApiKey>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        self.call("keys.edit", |inner| inner.edit(id, edit, now, audit))
    }

    fn revoke(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        self.call("keys.revoke", |inner| inner.revoke(id, owner, now, audit))
    }

    fn revoke_descendants(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &EntryOf,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.call("keys.revoke_descendants", |inner| inner.revoke_descendants(id, owner, now, audit))
    }

    fn rotate(&self, rotation: &KeyRotation) -> Result<Option<ApiKey>, StoreError> {
        self.call("keys.rotate", |inner| inner.rotate(rotation))
    }

    fn rehash(&self, from: &KeyHash, to: &KeyHash) -> Result<bool, StoreError> {
        self.call("keys.rehash", |inner| inner.rehash(from, to))
    }

    fn editor(&self, user: UserId) -> Result<Option<EditorKey>, StoreError> {
        self.call("keys.editor", |inner| inner.editor(user))
    }

    fn create_editor(&self, key: &NewKey, audit: &[AuditEntry]) -> Result<EditorKey, StoreError> {
        self.call("keys.create_editor", |inner| inner.create_editor(key, audit))
    }

    fn import(&self, batch: &[KeyImport], dry_run: bool) -> Result<Vec<Imported>, StoreError> {
        self.call("keys.import", |inner| inner.import(batch, dry_run))
    }

    fn ids_by_prefix(&self, prefix: &str, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        self.call("keys.ids_by_prefix", |inner| inner.ids_by_prefix(prefix, limit))
    }
}
