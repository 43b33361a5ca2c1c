//! Everything that the line can answer instead of what was asked for.

use std::time::Duration;

use tollgate_domain::{Permission, key::KeyRefusal, key::MalformedKey, quota::QuotaState};
use tollgate_usage::Readings;

use crate::upstream::ProviderError;

/// A field of a request that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `messages[0].role`.
    pub field: String,
    /// What is wrong, in snake_case: `missing`, `wrong_type`, `out_of_range`.
    pub code: &'static str,
    /// The same in words.
    pub message: String,
}

impl FieldError {
    /// A field that is wrong.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// A refusal. What it says is for the caller's eyes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No look-up could find such a key.
    #[error("{0}")]
    MalformedKey(MalformedKey),
    /// No such key.
    #[error("this API key is not known here")]
    UnknownKey,
    /// Too many that the address presented were unknown: none is looked up for a while.
    #[error("too many unknown API keys have come from your network address; try again later")]
    TooManyUnknownKeys {
        /// When one more will be looked up.
        retry_after: Duration,
    },
    /// A known key that is not good.
    #[error("{0}")]
    Key(KeyRefusal),
    /// The key's user is deactivated.
    #[error("the account of this API key is deactivated")]
    UserDisabled,
    /// An access token where only API keys are taken.
    #[error("this is an access token; the gate takes API keys only: make one with POST /api/v1/keys")]
    AccessToken,
    /// The key lacks the permission.
    #[error("this API key lacks the permission `{0}`")]
    PermissionDenied(Permission),
    /// The key is bound to networks, and this is none of theirs.
    #[error("this API key may not be used from this address")]
    IpNotAllowed,
    /// The key is bound to models, and this is none of them.
    #[error("this API key may not ask the model `{0}`")]
    ModelNotAllowed(String),
    /// The body is no JSON object.
    #[error("the body must be a JSON object: {0}")]
    Malformed(String),
    /// The body says that it is not JSON.
    #[error("the body must be JSON: send Content-Type: application/json")]
    NotJson,
    /// The body is too long.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// Fields are wrong.
    #[error("{}", first_message(.0))]
    Validation(Vec<FieldError>),
    /// The prompt's size cannot be bounded.
    #[error("{0}: its tokens cannot be bounded before it is sent, so it cannot be paid for safely")]
    UnboundedPrompt(String),
    /// No such model.
    #[error("the model `{0}` is not offered here: GET /v1/models lists those that are")]
    ModelNotFound(String),
    /// A window is full.
    #[error("{}", exceeded(.readings))]
    RateLimited {
        /// The windows.
        readings: Readings,
        /// When one more will fit.
        retry_after: Duration,
    },
    /// Too many requests of the key run.
    #[error("{limit} requests of this API key are running, and no more may")]
    ConcurrencyLimit {
        /// How many may run.
        limit: u32,
    },
    /// The month's tokens do not suffice.
    #[error("{}", insufficient(.state, *.fits))]
    InsufficientQuota {
        /// The quota.
        state: QuotaState,
        /// The output limit that would fit, if any would.
        fits: Option<u64>,
    },
    /// The tokens would suffice but for what running requests hold.
    #[error("running requests hold {} of your tokens; try again when they have ended", .state.held)]
    QuotaReserved {
        /// The quota.
        state: QuotaState,
    },
    /// Too much is under way.
    #[error("too much is under way here; try again in a moment")]
    Overloaded,
    /// The database is away, and what is asked is not known without it.
    #[error("this cannot be looked up or recorded at the moment; try again in a moment")]
    StoreUnavailable,
    /// No provider can be asked.
    #[error("no model provider is available here")]
    ProviderUnavailable,
    /// The provider cannot be reached.
    #[error("the model provider cannot be reached")]
    UpstreamUnreachable,
    /// The provider was too slow.
    #[error("the model provider did not answer in time")]
    UpstreamTimeout,
    /// The provider broke its answer off.
    #[error("the model provider broke its answer off")]
    UpstreamBroken,
    /// The provider's answer makes no sense.
    #[error("the model provider answered something that is no answer")]
    UpstreamUnreadable,
    /// The provider says that the request is wrong.
    #[error("the model provider refused the request: {}", said(.0))]
    ProviderRefused(ProviderError),
    /// The provider failed, or refused the operator.
    #[error("the model provider failed with status {}", .0.status)]
    ProviderFailed(ProviderError),
    /// Something here went wrong; the log knows.
    #[error("something went wrong here; the request id helps to find out what")]
    Internal,
}

impl Refusal {
    /// Whether the answer counts in the windows: every one but 401, 403, 429 and 503.
    pub const fn status(&self) -> u16 {
        match self {
            Self::MalformedKey(_)
            | Self::UnknownKey
            | Self::Key(_)
            | Self::UserDisabled
            | Self::AccessToken => 401,
            Self::PermissionDenied(_) | Self::IpNotAllowed | Self::ModelNotAllowed(_) => 403,
            Self::Malformed(_) | Self::UnboundedPrompt(_) => 400,
            Self::ModelNotFound(_) => 404,
            Self::TooSlow => 408,
            Self::TooLarge(_) => 413,
            Self::NotJson => 415,
            Self::Validation(_) => 422,
            Self::RateLimited { .. }
            | Self::TooManyUnknownKeys { .. }
            | Self::ConcurrencyLimit { .. }
            | Self::InsufficientQuota { .. }
            | Self::QuotaReserved { .. } => 429,
            Self::Internal => 500,
            Self::UpstreamUnreachable
            | Self::UpstreamBroken
            | Self::UpstreamUnreadable
            | Self::ProviderFailed(_) => 502,
            Self::ProviderRefused(error) => error.status,
            Self::Overloaded | Self::StoreUnavailable | Self::ProviderUnavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// The stable code by which programs know it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MalformedKey(_) | Self::UnknownKey => "invalid_api_key",
            Self::Key(KeyRefusal::Revoked) => "key_revoked",
            Self::Key(KeyRefusal::Expired) => "key_expired",
            Self::Key(KeyRefusal::Disabled) => "key_disabled",
            Self::UserDisabled => "user_disabled",
            Self::AccessToken => "invalid_credentials",
            Self::PermissionDenied(_) => "permission_denied",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::ModelNotAllowed(_) => "model_not_allowed",
            Self::Malformed(_) => "malformed_request",
            Self::UnboundedPrompt(_) => "unbounded_prompt",
            Self::ModelNotFound(_) => "model_not_found",
            Self::TooSlow => "request_timeout",
            Self::TooLarge(_) => "payload_too_large",
            Self::NotJson => "unsupported_media_type",
            Self::Validation(_) => "validation_failed",
            Self::RateLimited { .. } | Self::TooManyUnknownKeys { .. } => "rate_limit_exceeded",
            Self::ConcurrencyLimit { .. } => "concurrency_limit",
            Self::InsufficientQuota { .. } => "insufficient_quota",
            Self::QuotaReserved { .. } => "quota_reserved",
            Self::Internal => "internal_error",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamBroken
            | Self::UpstreamUnreadable
            | Self::ProviderRefused(_)
            | Self::ProviderFailed(_) => "upstream_error",
            Self::Overloaded => "overloaded",
            Self::StoreUnavailable => "store_unavailable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

/// Whether an answer of this status counts in the windows.
pub const fn counts(status: u16) -> bool {
    !matches!(status, 401 | 403 | 429 | 503)
}

fn first_message(errors: &[FieldError]) -> String {
    errors.first().map_or_else(String::new, |error| format!("{}: {}", error.field, error.message))
}

/// The words of the older systems; the minute is named when it is the cause.
fn exceeded(readings: &Readings) -> String {
    let [minute, hour, day] = readings;
    let used = |reading: &tollgate_usage::Reading| format!("{}/{}", reading.used, reading.limit);
    let minute = if minute.remaining() == 0 { format!("Minute: {}, ", used(minute)) } else { String::new() };
    format!("Rate limit exceeded. {minute}Hourly: {}, Daily: {}", used(hour), used(day))
}

fn insufficient(state: &QuotaState, fits: Option<u64>) -> String {
    let left = format!("{} of this month's {} tokens are left", state.remaining(), state.limit);
    match fits {
        Some(fits) => format!("{left}: this request fits with an output limit of at most {fits} tokens"),
        None => format!("{left}, too few for this request; new ones come at {}", state.resets_at()),
    }
}

fn said(error: &ProviderError) -> &str {
    if error.message.is_empty() { "it gave no reason" } else { &error.message }
}
