//! Users.

use tollgate_domain::{AuditEntry, Email, Time, User, UserId};
use tollgate_store::{
    Credentials, Deletion, Edit, Imported, NewKey, NewUser, Page, PageRequest, PasswordChange, StoreError,
    UserImport, UserStore,
};

use super::Wrapped;

impl UserStore for Wrapped<dyn UserStore> {
    fn create(
        &self,
        user: &NewUser,
        first_key: Option<&NewKey>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        self.call("users.create", |inner| inner.create(user, first_key, audit))
    }

    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.call("users.by_id", |inner| inner.by_id(id))
    }

    fn by_email(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        self.call("users.by_email", |inner| inner.by_email(email))
    }

    fn credentials(&self, id: UserId) -> Result<Option<Credentials>, StoreError> {
        self.call("users.credentials", |inner| inner.credentials(id))
    }

    fn by_external_id(&self, external_id: &str) -> Result<Option<User>, StoreError> {
        self.call("users.by_external_id", |inner| inner.by_external_id(external_id))
    }

    fn edit(
        &self,
        id: UserId,
        edit: Edit<User>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<User>, StoreError> {
        self.call("users.edit", |inner| inner.edit(id, edit, now, audit))
    }

    fn set_password(
        &self,
        id: UserId,
        hash: &str,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError> {
        self.call("users.set_password", |inner| inner.set_password(id, hash, now, audit))
    }

    fn change_password(&self, change: &PasswordChange) -> Result<bool, StoreError> {
        self.call("users.change_password", |inner| inner.change_password(change))
    }

    fn delete(&self, deletion: &Deletion) -> Result<bool, StoreError> {
        self.call("users.delete", |inner| inner.delete(deletion))
    }

    fn import(&self, batch: &[UserImport], dry_run: bool) -> Result<Vec<Imported>, StoreError> {
        self.call("users.import", |inner| inner.import(batch, dry_run))
    }

    fn list(&self, page: &PageRequest, search: Option<&str>) -> Result<Page<User>, StoreError> {
        self.call("users.list", |inner| inner.list(page, search))
    }
}
