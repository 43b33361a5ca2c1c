//! What can go wrong in a use case.

use secrecy::SecretString;
use tollgate_domain::{Permission, window::WindowKind};
use tollgate_store::StoreError;

use crate::external::IdentityError;

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
    /// Networks beyond the calling key's.
    #[error("the calling key is bound to networks, so it cannot give others or all")]
    Addresses,
    /// Models beyond the calling key's.
    #[error("the calling key is bound to models, so it cannot give others or all")]
    Models,
    /// What an administrator switched off.
    #[error("an administrator switched this key off: only an administrator switches it on")]
    DisabledByAdmin,
    /// Something that only a key does.
    #[error("this is for API keys: an access token has no secret that could be revoked")]
    NoKey,
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
    /// It takes an invitation, and there is none.
    #[error("sign-up is by invitation only: give one as `invite`")]
    InviteOnly,
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
    /// The first factor is proved, and a second one is on: no session without its code.
    #[error("this account has a second factor: send its code with the mfa_token")]
    MfaRequired {
        /// What stands for the first factor, for some minutes.
        mfa_token: SecretString,
    },
    /// The token that stands for the first factor is none, has expired, or was used.
    #[error("the mfa_token is invalid or has expired: log in again")]
    InvalidMfaToken,
    /// The code of the second factor is wrong, or was used.
    #[error("the code is wrong, or was used already")]
    WrongCode,
    /// A second factor is on.
    #[error("a second factor is on already: switch it off first")]
    SecondFactorOn,
    /// None is on.
    #[error("no second factor is on")]
    SecondFactorOff,
    /// None was set up.
    #[error("no second factor was set up: set one up first")]
    SecondFactorNotSetUp,
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
    /// The account's address must be confirmed first.
    #[error(
        "the email address of this account is not confirmed yet: follow the link in the mail, or ask for another"
    )]
    EmailNotVerified,
    /// The user has no address to which a mail could go.
    #[error("this account has no email address")]
    NoEmail,
    /// The user got as many mails in this hour as a user gets.
    #[error("this account got too many mails in the last hour")]
    TooManyMails,
    /// Too many attempts failed: further ones are not looked at for a while.
    #[error("there were too many attempts; try again later")]
    TooManyAttempts {
        /// Seconds until then.
        retry_after: u64,
    },
    /// Too much came from one address.
    #[error("too many such requests have come from your network address; try again later")]
    AddressLimit {
        /// Seconds until one more is taken.
        retry_after: u64,
    },
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
    /// The identity token says nothing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The identity's verified address belongs to an account, whose owner must link the two.
    #[error(
        "an account has this email address: sign in to it, and make this call with its access token to link them"
    )]
    LinkRequired,
    /// The identity is another user's.
    #[error("this identity belongs to another account")]
    IdentityTaken,
    /// The user has as many identities as a user may have.
    #[error("a user has at most {max} identities")]
    TooManyIdentities {
        /// The most.
        max: u32,
    },
    /// What is revoked stays so.
    #[error("this key is revoked, once and for ever: make another")]
    KeyRevoked,
    /// The session or the key that called has ended, or was changed, after it was recognised.
    #[error("what the call was made with has ended or was changed a moment ago: nothing was done")]
    CallerEnded,
    /// It is not there, or not the caller's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A call with the same `Idempotency-Key` is under way.
    #[error("a call with this Idempotency-Key is still under way: ask again in a moment")]
    IdempotencyInProgress,
    /// A call with the same `Idempotency-Key` asked for something else.
    #[error(
        "this Idempotency-Key was used for a call with another body or query: take another for another call"
    )]
    IdempotencyKeyReused,
    /// A call with the same `Idempotency-Key` was done, and nobody knows any more what it was answered.
    #[error(
        "a call with this Idempotency-Key was done, but its answer is lost: look at what there is, and take \
         another Idempotency-Key to do it once more"
    )]
    AnswerLost,
    /// The user has as many calls with an `Idempotency-Key` as are kept.
    #[error("answers to at most {max} calls with an Idempotency-Key are kept: send fewer, or none")]
    TooManyIdempotencyKeys {
        /// The most.
        max: u32,
        /// Seconds until one more is taken.
        retry_after: u64,
    },
    /// Something that cannot go wrong did; the text is for logs only.
    #[error("{0}")]
    Internal(&'static str),
}
