//! Identities that other issuers vouch for, and whose accounts they open.

use tollgate_domain::{AuditEntry, Time, User, UserId};

use crate::{NewKey, NewMail, NewUser, StoreError};

/// An issuer's user, and the user here who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The issuer's identifier.
    pub issuer: String,
    /// Whom the issuer means.
    pub subject: String,
    /// Who that is here.
    pub user_id: UserId,
    /// When that was said.
    pub created_at: Time,
}

/// What came of a wish to link an identity to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// They are linked now.
    Made,
    /// They were already.
    Known,
    /// The identity is another user's.
    Taken,
    /// The user has as many as a user may have.
    TooMany,
    /// There is no such user.
    NoUser,
}

/// Where external identities are kept. What is done is told by the entries of `audit`, written in the same
/// transaction; where nothing is done, nothing is told.
pub trait ExternalIdentityStore: Send + Sync {
    /// The user whom `issuer` means by `subject`.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn user(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError>;

    /// Makes a user with its first key, whose identity this is: all or nothing.
    ///
    /// # Errors
    /// `Conflict { entity: "external_identity", field: "subject" }` where the identity is somebody's, and those of
    /// [`UserStore::create`](crate::UserStore::create).
    fn create_user(
        &self,
        user: &NewUser,
        first_key: &NewKey,
        identity: &LinkedIdentity,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError>;

    /// Links an identity to its user, who has at most `max_per_user`, and queues the mail that tells of it.
    ///
    /// # Errors
    /// The same conflict where another call links it to somebody else at the same time.
    fn link(
        &self,
        identity: &LinkedIdentity,
        max_per_user: u32,
        mail: Option<&NewMail>,
        audit: &[AuditEntry],
    ) -> Result<Link, StoreError>;

    /// A user's identities, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn list(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError>;
}
