//! External identities.

use tollgate_domain::{AuditEntry, User, UserId};
use tollgate_store::{ExternalIdentityStore, Link, LinkedIdentity, NewKey, NewMail, NewUser, StoreError};

use super::Wrapped;

impl ExternalIdentityStore for Wrapped<dyn ExternalIdentityStore> {
    fn user(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
        self.call("external_identities.user", |inner| inner.user(issuer, subject))
    }

    fn create_user(
        &self,
        user: &NewUser,
        first_key: &NewKey,
        identity: &LinkedIdentity,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        self.call("external_identities.create_user", |inner| {
            inner.create_user(user, first_key, identity, audit)
        })
    }

    fn link(
        &self,
        identity: &LinkedIdentity,
        max_per_user: u32,
        mail: Option<&NewMail>,
        audit: &[AuditEntry],
    ) -> Result<Link, StoreError> {
        self.call("external_identities.link", |inner| inner.link(identity, max_per_user, mail, audit))
    }

    fn list(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        self.call("external_identities.list", |inner| inner.list(user))
    }
}
