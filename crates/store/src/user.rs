//! Users.

use tollgate_domain::{AuditEntry, Email, SessionId, Time, User, UserId};

use crate::{Edit, Imported, NewKey, NewMail, Page, PageRequest, StoreError, UserImport};

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user.
    pub user: User,
    /// The password's hash; users of other systems may have none.
    pub password_hash: Option<String>,
}

/// A user with what is needed to check a password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The password's hash, if there is a password.
    pub password_hash: Option<String>,
}

/// A password to take the place of another.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The hash that the present password was checked against.
    pub before: String,
    /// The new password's hash.
    pub after: String,
    /// The session that asks, which goes on.
    pub session: SessionId,
    /// The present time.
    pub now: Time,
    /// The mail that tells of it, of a user with an address.
    pub mail: Option<NewMail>,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// What allows a user to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionProof {
    /// The hash that the user's password was checked against.
    Password(String),
    /// The hash of a token that the user has read in a mail.
    Mail([u8; 32]),
    /// An administrator says so, or the user was recognised otherwise.
    Trusted,
}

/// A user to be deleted.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Who.
    pub user: UserId,
    /// What allows it.
    pub proof: DeletionProof,
    /// The mail that tells of it, of a user with an address.
    pub mail: Option<NewMail>,
    /// The present time.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// Where users are kept. What is done is told by the entries of `audit`, written in the same transaction; where nothing
/// is done, nothing is told.
pub trait UserStore: Send + Sync {
    /// Makes a user and, with it, its first key: both or neither.
    ///
    /// # Errors
    /// `Conflict { entity: "user", field: "email" | "external_id" }` where another user has it.
    fn create(
        &self,
        user: &NewUser,
        first_key: Option<&NewKey>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError>;

    /// The user of this id.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of this address, with the password's hash.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_email(&self, email: &Email) -> Result<Option<Credentials>, StoreError>;

    /// The user of this id, with the password's hash.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn credentials(&self, id: UserId) -> Result<Option<Credentials>, StoreError>;

    /// The user whom another system knows by this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_external_id(&self, external_id: &str) -> Result<Option<User>, StoreError>;

    /// Changes a user as `edit` says and sets `updated_at`; gives the user as it is afterwards. Where the
    /// edit takes the role `admin` away, the permission `admin` leaves the user's keys with it.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn edit(
        &self,
        id: UserId,
        edit: Edit<User>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<User>, StoreError>;

    /// Gives a user a password's hash in place of what was there, and sets `updated_at`; `false` where there is
    /// no such user.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn set_password(
        &self,
        id: UserId,
        hash: &str,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError>;

    /// Changes a password, sets `updated_at`, and ends every other open session of the user: all or nothing.
    /// `false`, and nothing is done, where the hash is no longer the one that was checked, or the session is
    /// not open or not the user's: of two changes at once that were checked against the same hash, one counts.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn change_password(&self, change: &PasswordChange) -> Result<bool, StoreError>;

    /// Deletes a user with keys, sessions, tokens and all else that is the user's; what records tell of the person is
    /// erased by and by. `false`, and nothing is done, where there is no such user, or the proof does not hold.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn delete(&self, deletion: &Deletion) -> Result<bool, StoreError>;

    /// Takes over users of other systems in one transaction; tells what became of each, in their order. A user who is
    /// known stays as they are. With `dry_run` nothing is written, and what would become of each is told as if it came
    /// alone.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was done then.
    fn import(&self, batch: &[UserImport], dry_run: bool) -> Result<Vec<Imported>, StoreError>;

    /// Users, newest first; with `search`, those whose email, name or external id contains it (without
    /// case).
    ///
    /// # Errors
    /// See [`StoreError`].
    fn list(&self, page: &PageRequest, search: Option<&str>) -> Result<Page<User>, StoreError>;
}
