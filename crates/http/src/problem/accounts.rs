//! Errors of the control plane and of the stores.

use actix_web::http::StatusCode;
use tollgate_accounts::{AccountsError, Beyond, FieldError, external::IdentityError};
use tollgate_store::StoreError;

use super::{FieldProblem, Problem};

/// Seconds after which to ask again when the database was away.
const RETRY_STORE_AFTER: u64 = 1;
/// The same when an account got as many mails in an hour as it gets.
const RETRY_MAILS_AFTER: u64 = 3_600;
/// The same when a twin of the call is under way.
const RETRY_TWIN_AFTER: u64 = 1;
/// The same when an identity token's issuer was.
const RETRY_ISSUER_AFTER: u64 = 10;

impl From<AccountsError> for Problem {
    fn from(error: AccountsError) -> Self {
        let said = sentence(&error.to_string());
        match error {
            AccountsError::Store(error) => error.into(),
            AccountsError::Invalid(errors) => {
                Self::validation(errors.into_iter().map(FieldProblem::from).collect())
            }
            AccountsError::EmailTaken => Self::new(StatusCode::CONFLICT, "email_taken", said),
            AccountsError::RegistrationClosed(_) => {
                Self::new(StatusCode::FORBIDDEN, "registration_closed", said)
            }
            AccountsError::InvalidCredentials
            | AccountsError::WrongPassword
            | AccountsError::InvalidMfaToken
            | AccountsError::WrongCode
            | AccountsError::InvalidToken
            | AccountsError::InvalidRefreshToken => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", said)
            }
            AccountsError::Identity(IdentityError::Refused) => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", said)
            }
            AccountsError::Identity(IdentityError::Unreachable) => {
                Self::new(StatusCode::BAD_GATEWAY, "upstream_unreachable", said)
                    .retry_after(RETRY_ISSUER_AFTER)
            }
            AccountsError::LinkRequired => Self::new(StatusCode::CONFLICT, "link_required", said),
            AccountsError::MfaRequired { mfa_token } => {
                Self::new(StatusCode::UNAUTHORIZED, "mfa_required", said).with_mfa_token(mfa_token)
            }
            AccountsError::RefreshReused => Self::new(StatusCode::UNAUTHORIZED, "refresh_reused", said),
            AccountsError::UserDisabled => Self::new(StatusCode::UNAUTHORIZED, "user_disabled", said),
            AccountsError::TooManyAttempts { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", said).retry_after(retry_after)
            }
            AccountsError::AddressLimit { retry_after }
            | AccountsError::TooManyIdempotencyKeys { retry_after, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", said).retry_after(retry_after)
            }
            AccountsError::EmailNotVerified => Self::new(StatusCode::FORBIDDEN, "email_not_verified", said),
            AccountsError::NoEmail => Self::new(StatusCode::CONFLICT, "conflict", said),
            AccountsError::TooManyMails => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", said)
                    .retry_after(RETRY_MAILS_AFTER)
            }
            AccountsError::Beyond(beyond) => beyond.into(),
            AccountsError::TooManyKeys { .. } => Self::new(StatusCode::CONFLICT, "too_many_keys", said),
            AccountsError::Device(refusal) => Self::oauth(StatusCode::BAD_REQUEST, refusal.code(), said),
            AccountsError::NotFound(what) => Self::not_found(what),
            AccountsError::IdentityTaken
            | AccountsError::TooManyIdentities { .. }
            | AccountsError::NoPassword
            | AccountsError::SecondFactorOn
            | AccountsError::SecondFactorOff
            | AccountsError::SecondFactorNotSetUp
            | AccountsError::AnswerLost
            | AccountsError::CallerEnded
            | AccountsError::KeyRevoked => Self::new(StatusCode::CONFLICT, "conflict", said),
            AccountsError::IdempotencyInProgress => {
                Self::new(StatusCode::CONFLICT, "idempotency_in_progress", said).retry_after(RETRY_TWIN_AFTER)
            }
            AccountsError::IdempotencyKeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", said)
            }
            AccountsError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<FieldError> for FieldProblem {
    fn from(error: FieldError) -> Self {
        Self { field: error.field.into(), code: error.code.into(), message: error.message.into() }
    }
}

impl From<Beyond> for Problem {
    fn from(beyond: Beyond) -> Self {
        let said = sentence(&beyond.to_string());
        match beyond {
            Beyond::UsersMayNotGrant(_)
            | Beyond::NotHeld(_)
            | Beyond::Lacks(_)
            | Beyond::Tier
            | Beyond::Limit(_, _)
            | Beyond::Expiry
            | Beyond::Environment
            | Beyond::Addresses
            | Beyond::Models
            | Beyond::DisabledByAdmin
            | Beyond::NoKey
            | Beyond::NotAdmin => Self::new(StatusCode::FORBIDDEN, "permission_denied", said),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = format!("{error:?}");
        match error {
            StoreError::Conflict { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", sentence(&error.to_string()))
            }
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "The database is not available at the moment; try again in a moment.",
            )
            .retry_after(RETRY_STORE_AFTER)
            .caused_by(cause),
            StoreError::Orphaned(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", sentence(&error.to_string())).caused_by(cause)
            }
            // Such as a text with characters that the database has not.
            StoreError::Rejected(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "The request holds a value that cannot be stored.",
            )
            .caused_by(cause),
            StoreError::Corrupt { .. } => Self::internal(cause),
        }
    }
}

/// An error's words as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
