//! Why somebody is not admitted.

use std::borrow::Cow;

use http::StatusCode;
use tollgate_domain::credential::Unreadable;

/// What to send with a 401.
const CHALLENGE: &str = "Bearer realm=\"tollgate\"";
/// Seconds after which to ask again when Tollgate could not be asked.
const RETRY_SOON: u64 = 1;

/// Why a caller is not admitted. Every variant refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential was sent.
    #[error("{}", Unreadable::Missing)]
    Missing,
    /// Two different credentials were sent.
    #[error("{}", Unreadable::Ambiguous)]
    Ambiguous,
    /// The headers hold characters that no credential has.
    #[error("{}", Unreadable::NotText)]
    Malformed,
    /// Tollgate says no, or it would: what cannot be a key is refused without asking.
    #[error("{}", .0.detail)]
    Refused(Refusal),
    /// Tollgate could not be asked. Trying again may help. A charge may have been counted.
    #[error("credentials cannot be verified now: {0}")]
    Unavailable(Unavailable),
    /// Tollgate does not take this service's questions. Trying again does not help: somebody must put it right.
    #[error("credentials cannot be verified: {0}")]
    Misconfigured(Misconfigured),
}

/// What Tollgate said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable name, such as `key_revoked`. New ones may come.
    pub code: Cow<'static, str>,
    /// The reason in a sentence, for the caller.
    pub detail: Cow<'static, str>,
    /// What to answer: 401, 403 or 429, as Tollgate's own gate does.
    pub status: StatusCode,
    /// Seconds after which the same may be admitted, where that is known.
    pub retry_after_seconds: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No connection.
    #[error("Tollgate cannot be reached")]
    Unreachable,
    /// The connection ended before the answer.
    #[error("the connection to Tollgate ended before the answer")]
    Broken,
    /// No answer in time.
    #[error("Tollgate did not answer in time")]
    TimedOut,
    /// This status in place of an answer.
    #[error("Tollgate answers with status {0}")]
    Status(u16),
    /// An answer that says nothing: too long, or not of the shape that is known here.
    #[error("Tollgate's answer cannot be read")]
    Unreadable,
    /// As many questions are under way as the settings allow.
    #[error("too many questions are under way")]
    Busy,
}

/// What somebody must put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misconfigured {
    /// 401: the service's own key is unknown, expired, disabled or revoked.
    #[error("Tollgate does not know this service's own key")]
    ServiceKey,
    /// 403: the service's own key may not ask.
    #[error("this service's own key may not verify keys: it needs the permission `keys:verify`")]
    ServicePermission,
    /// This status: the address leads elsewhere, or to a Tollgate of another version.
    #[error("what answers at the address of Tollgate takes no such questions: status {0}")]
    Address(u16),
}

impl Denied {
    /// The status to answer with: what the gate would answer, or 503 where Tollgate could not be asked.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing => StatusCode::UNAUTHORIZED,
            Self::Ambiguous | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Refused(refusal) => refusal.status,
            Self::Unavailable(_) | Self::Misconfigured(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A stable name of the reason, as Tollgate's own answers carry it.
    pub fn code(&self) -> &str {
        match self {
            Self::Missing => "missing_credentials",
            Self::Ambiguous => "ambiguous_credentials",
            Self::Malformed => "malformed_request",
            Self::Refused(refusal) => &refusal.code,
            Self::Unavailable(_) | Self::Misconfigured(_) => "verification_unavailable",
        }
    }

    /// The reason in words for the caller. Unlike [`Display`](std::fmt::Display), which is for the log, it says
    /// nothing of what is wrong here rather than with the caller.
    pub fn detail(&self) -> String {
        match self {
            Self::Unavailable(_) | Self::Misconfigured(_) => "credentials cannot be verified now".to_owned(),
            Self::Missing | Self::Ambiguous | Self::Malformed | Self::Refused(_) => self.to_string(),
        }
    }

    /// `Retry-After`, in seconds.
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Refused(refusal) => refusal.retry_after_seconds,
            Self::Unavailable(_) => Some(RETRY_SOON),
            Self::Missing | Self::Ambiguous | Self::Malformed | Self::Misconfigured(_) => None,
        }
    }

    /// `WWW-Authenticate`, which a 401 carries.
    pub fn challenge(&self) -> Option<&'static str> {
        (self.status() == StatusCode::UNAUTHORIZED).then_some(CHALLENGE)
    }
}

impl From<Unreadable> for Denied {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Missing => Self::Missing,
            Unreadable::Ambiguous => Self::Ambiguous,
            Unreadable::NotText => Self::Malformed,
            Unreadable::OtherScheme => {
                let said = Unreadable::OtherScheme.as_str();
                Self::Refused(Refusal::here("invalid_credentials", said, StatusCode::UNAUTHORIZED))
            }
        }
    }
}

impl Refusal {
    /// What Tollgate said by this code. One that is not known here is a refusal like any other.
    pub(crate) fn new(code: String, detail: Option<String>, retry_after_seconds: Option<u64>) -> Self {
        let status = status_of(&code);
        let detail = detail.map_or_else(|| Cow::Owned(format!("refused: {code}")), Cow::Owned);
        Self { code: Cow::Owned(code), detail, status, retry_after_seconds }
    }

    /// What Tollgate would say, without asking it.
    pub(crate) const fn here(code: &'static str, detail: &'static str, status: StatusCode) -> Self {
        Self { code: Cow::Borrowed(code), detail: Cow::Borrowed(detail), status, retry_after_seconds: None }
    }
}

/// The status with which the gate refuses so.
fn status_of(code: &str) -> StatusCode {
    match code {
        "invalid_api_key"
        | "invalid_credentials"
        | "key_expired"
        | "key_revoked"
        | "key_disabled"
        | "user_disabled" => StatusCode::UNAUTHORIZED,
        "rate_limit_exceeded" | "insufficient_quota" | "quota_reserved" | "concurrency_limit" => {
            StatusCode::TOO_MANY_REQUESTS
        }
        _ => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gates_status_is_answered() {
        for (code, status) in [
            ("invalid_api_key", 401),
            ("invalid_credentials", 401),
            ("key_expired", 401),
            ("key_revoked", 401),
            ("key_disabled", 401),
            ("user_disabled", 401),
            ("permission_denied", 403),
            ("model_not_allowed", 403),
            ("ip_not_allowed", 403),
            ("email_not_verified", 403),
            ("rate_limit_exceeded", 429),
            ("insufficient_quota", 429),
            ("quota_reserved", 429),
            ("concurrency_limit", 429),
            ("a_code_of_next_year", 403),
        ] {
            let denied = Denied::Refused(Refusal::new(code.to_owned(), None, Some(7)));
            assert_eq!(denied.status(), status, "{code}");
            assert_eq!(denied.code(), code);
            assert_eq!(denied.retry_after_seconds(), Some(7));
            assert_eq!(denied.challenge().is_some(), status == 401, "{code}");
        }
    }

    #[test]
    fn what_was_not_asked_is_no_admission_and_no_fault_of_the_caller() {
        for denied in [
            Denied::Unavailable(Unavailable::TimedOut),
            Denied::Unavailable(Unavailable::Status(500)),
            Denied::Misconfigured(Misconfigured::ServiceKey),
            Denied::Misconfigured(Misconfigured::ServicePermission),
        ] {
            assert_eq!((denied.status().as_u16(), denied.code()), (503, "verification_unavailable"));
            assert_eq!(denied.challenge(), None);
            assert_eq!(denied.detail(), "credentials cannot be verified now");
        }
        let own = Denied::Misconfigured(Misconfigured::ServicePermission);
        assert!(own.to_string().contains("keys:verify"), "the log says what to do");
    }

    #[test]
    fn what_the_caller_did_wrong_has_its_status() {
        assert_eq!((Denied::Missing.status().as_u16(), Denied::Missing.code()), (401, "missing_credentials"));
        assert!(Denied::Missing.challenge().is_some());
        assert_eq!(Denied::Ambiguous.status(), 400);
        assert_eq!(Denied::Malformed.code(), "malformed_request");
    }
}
