//! What can go wrong in a use case.

use tollgate_domain::{Permission, window::WindowKind};
use tollgate_store::StoreError;

use crate::device::DeviceRefusal;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, as the client named it.
    pub field: &'static str,
    /// A stable name of the fault, such as `too_short`.
    pub code: &'static str,
    /// What to do about it, as a predicate of the field: `must …`.
    pub message: String,
}

/// What a caller asked for that is more than the caller has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    /// A permission that only administrators give.
    #[error("the permission `{0}` is given by administrators only")]
    UsersMayNotGrant(Permission),
    /// A permission that the calling key does not hold.
    #[error("the calling key does not hold the permission `{0}`, so it cannot give it")]
    NotHeld(Permission),
    /// A permission that the call itself asks for.
    #[error("the calling key does not hold the permission `{0}`")]
    Lacks(Permission),
    /// A tier above the caller's.
    #[error("the tier is above the caller's own")]
    Tier,
    /// A limit above the caller's.
    #[error("the limit by {0} is above the caller's own of {1} requests")]
    Limit(WindowName, u64),
    /// A later expiry than the calling key's.
    #[error("a key cannot make one that expires after itself")]
    Expiry,
    /// Another environment than the calling key's.
    #[error("a key cannot make one for another environment than its own")]
    Environment,
    /// Something for administrators.
    #[error("this is for administrators")]
    NotAdmin,
}

/// A window's name in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowName(pub WindowKind);

impl std::fmt::Display for WindowName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            WindowKind::Minute => "minute",
            WindowKind::Hour => "hour",
            WindowKind::Day => "day",
        })
    }
}

/// Why nobody can sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationClosed {
    /// An administrator closed it.
    #[error("sign-up is closed here")]
    Closed,
    /// It takes an invitation, and none exist.
    #[error(
        "sign-up is by invitation only, and this server has no invitations yet; an administrator makes accounts"
    )]
    InviteOnly,
    /// Addresses must be verified, and nothing here can.
    #[error(
        "addresses must be verified here and e-mail verification is not available yet: an administrator makes \
         accounts with `tollgate-admin users create`"
    )]
    CannotVerify,
}

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Fields break their rules; never empty.
    #[error("{} of the request's fields cannot be taken", .0.len())]
    Invalid(Vec<FieldError>),
    /// The address has an account.
    #[error("an account with this email address exists")]
    EmailTaken,
    /// Nobody can sign up.
    #[error(transparent)]
    RegistrationClosed(#[from] RegistrationClosed),
    /// The address is unknown or the password is wrong: which, nobody is told.
    #[error("the email address or the password is wrong")]
    InvalidCredentials,
    /// The password by which a user confirms something is wrong.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The user signs in without a password.
    #[error("this account has no password that could be changed")]
    NoPassword,
    /// The access token is malformed, forged, expired, or its session has ended.
    #[error("the access token is invalid or has expired: log in again")]
    InvalidToken,
    /// The refresh token is none, or its session has ended or expired.
    #[error("the refresh token is invalid or has expired: log in again")]
    InvalidRefreshToken,
    /// The refresh token was spent already, and its session has ended by that.
    #[error("this refresh token was used before, so its session has ended: log in again")]
    RefreshReused,
    /// The account is deactivated.
    #[error("this account is deactivated")]
    UserDisabled,
    /// More than the caller may.
    #[error(transparent)]
    Beyond(#[from] Beyond),
    /// The user has as many keys as a user may have.
    #[error("a user has at most {max} keys: revoke one first")]
    TooManyKeys {
        /// The most that are not revoked.
        max: u32,
    },
    /// What a device is told instead of being let in.
    #[error(transparent)]
    Device(#[from] DeviceRefusal),
    /// More attempts than are taken.
    #[error("too many attempts: try again in {retry_after} seconds")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// It is not there, or not the caller's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// More than one id begins so.
    #[error("more than one key id begins with `{0}`: give more of it")]
    AmbiguousPrefix(String),
    /// Something that cannot go wrong did; the text is for logs only.
    #[error("{0}")]
    Internal(&'static str),
}
