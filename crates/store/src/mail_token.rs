//! Tokens that leave by mail: who has one has read the mail, once.
//!
//! For an address that nobody has, the same rows are written as for one that somebody has.

use tollgate_domain::{AuditEntry, Email, Time, User, UserId};

use crate::{EntryOf, NewKey, NewMail, NewUser, StoreError};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailPurpose {
    /// To set a password.
    Reset,
    /// To confirm the address of an account.
    Verification,
    /// To give an account another address.
    NewAddress,
    /// To sign up.
    Invitation,
    /// To delete an account that has no password.
    Deletion,
}

impl MailPurpose {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verification => "verification",
            Self::NewAddress => "new_address",
            Self::Invitation => "invitation",
            Self::Deletion => "deletion",
        }
    }

    /// The purpose of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reset, Self::Verification, Self::NewAddress, Self::Invitation, Self::Deletion]
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailToken {
    /// Its keyed hash.
    pub hash: [u8; 32],
    /// What it is good for.
    pub purpose: MailPurpose,
    /// Whose it is; nobody's where the address is unknown, and of an invitation.
    pub user: Option<UserId>,
    /// The address that it proves, where it proves one.
    pub email: Option<Email>,
    /// The keyed hash of the address that it is mailed to: mails are counted by it.
    pub address: [u8; 32],
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// When it was used, or another took its place.
    pub ended_at: Option<Time>,
}

impl MailToken {
    /// Whether it can be used at `now`.
    pub fn is_good(&self, now: Time) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// A token to be made, with the mails that carry it and tell of it.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The token.
    pub token: MailToken,
    /// The mails.
    pub mails: Vec<NewMail>,
    /// The most tokens of an account, or of an address, in any hour; invitations are not counted.
    pub max_per_hour: u32,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// A wish to sign up.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The user to be made, with an address.
    pub user: NewUser,
    /// Its first key, where it comes at once.
    pub first_key: Option<NewKey>,
    /// The invitation by which it is made, where it takes one.
    pub invitation: Option<[u8; 32]>,
    /// The token that confirms the address.
    pub token: MailToken,
    /// The mail that carries it.
    pub mail: NewMail,
    /// The mail to whoever has the address already, where the one who signs up is not told.
    pub taken: Option<NewMail>,
    /// The most tokens of an address in any hour; beyond, the user is made and no mail is queued.
    pub max_per_hour: u32,
    /// What the audit log tells of the new user.
    pub audit: Vec<AuditEntry>,
    /// What it tells where the address is taken.
    pub refused: Vec<AuditEntry>,
}

/// What came of a wish to sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedUp {
    /// The user was made.
    Made,
    /// Another user has the address.
    Taken,
    /// The invitation is none, is used up, or is for another address.
    NotInvited,
}

/// A password to be set by who has read a mail.
#[derive(Debug, Clone)]
pub struct PasswordReset {
    /// The hash of the token that allows it.
    pub token: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// The new password's hash.
    pub password_hash: String,
    /// Whether the user's keys are revoked.
    pub revoke_keys: bool,
    /// The keys under which wrong passwords of the user were counted: the lockout ends.
    pub attempts: Vec<[u8; 32]>,
    /// The mail that tells of it.
    pub mail: NewMail,
    /// The present time.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// An address to be confirmed by who has read a mail.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The hash of the token that proves it.
    pub token: [u8; 32],
    /// The key to be made for a user who has none and never had.
    pub first_key: NewKey,
    /// The mail to the address that is given up, of a token that changes it.
    pub changed: Option<NewMail>,
    /// The present time.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
    /// What it tells of the key, where that is made.
    pub key_audit: Vec<AuditEntry>,
}

/// What came of confirming an address.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// It is the user's.
    Done {
        /// The user as it is now.
        user: Box<User>,
        /// Whether the key was made.
        with_key: bool,
    },
    /// The token is none, or no longer good.
    Refused,
    /// Another user has the address by now.
    Taken,
}

/// Where tokens of mails are kept, and what is done with them: of any number of uses at once, one counts.
pub trait MailTokenStore: Send + Sync {
    /// Makes a token in place of earlier ones of the same purpose and user, or, of nobody, the same address, and
    /// queues its mails. `false`, and nothing is done, where there were too many.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn issue(&self, issue: &Issue) -> Result<bool, StoreError>;

    /// The token of this hash, good or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<MailToken>, StoreError>;

    /// Makes a user, uses the invitation up, and queues the mail with the token; or tells the address's owner. An
    /// invitation is used up also where the address is taken and its owner is told.
    ///
    /// # Errors
    /// `Conflict { entity: "user", field: "email" }` where somebody else takes the address in the same moment.
    fn sign_up(&self, wish: &SignUp) -> Result<SignedUp, StoreError>;

    /// Sets a password, uses the token up with all others of the user, and ends every session of the user. Where the
    /// address had not been confirmed it is now, and what somebody else may have left behind ends too: keys and what
    /// else lets in. `revoked` tells of each key that ends. `false`, and nothing is done, where the token is not good or
    /// the address not the user's.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn reset_password(&self, reset: &PasswordReset, revoked: &EntryOf) -> Result<bool, StoreError>;

    /// Confirms the address that a token proves, or gives the user that address.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn confirm(&self, confirmation: &Confirmation) -> Result<Confirmed, StoreError>;

    /// Says that an address was used by somebody else: an account that was never confirmed is deleted, a change of
    /// address does not happen. `false` where the token is not good, or the account was confirmed.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn disown(&self, token: &[u8; 32], now: Time, audit: &[AuditEntry]) -> Result<bool, StoreError>;

    /// Forgets tokens that ended or expired before `before`, at most `limit`; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError>;
}
