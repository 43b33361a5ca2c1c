//! Refusals of the line.

use actix_web::http::{
    StatusCode,
    header::{HeaderName, HeaderValue},
};
use tollgate_gate::Refusal;

use super::{FieldProblem, Problem, accounts::sentence};

/// Seconds after which to ask again when something was full or away for a moment.
const RETRY_SOON: u64 = 1;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        // The exact words of 429s are what clients of the older systems look for, and the words of a 422
        // begin with a field's name.
        let words = refusal.to_string();
        let said = if matches!(refusal.status(), 422 | 429) { words } else { sentence(&words) };
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        let problem = Self::new(status, refusal.code(), said);
        match refusal {
            Refusal::Validation(errors) => {
                let errors = errors.into_iter().map(|error| FieldProblem {
                    field: error.field.into(),
                    code: error.code.into(),
                    message: error.message.into(),
                });
                Self { errors: errors.collect(), ..problem }
            }
            Refusal::ModelNotFound(_) => Self { errors: vec![model_not_found()], ..problem },
            Refusal::RateLimited { retry_after, .. } | Refusal::TooManyUnknownKeys { retry_after } => {
                // Rounded up: a client that comes back on time must find room.
                let whole = retry_after.as_secs();
                let up = u64::from(retry_after.subsec_nanos() > 0);
                problem.retry_after(whole.saturating_add(up).max(RETRY_SOON))
            }
            Refusal::ConcurrencyLimit { .. }
            | Refusal::QuotaReserved { .. }
            | Refusal::Overloaded
            | Refusal::StoreUnavailable
            | Refusal::ProviderUnavailable => problem.retry_after(RETRY_SOON),
            Refusal::MalformedKey(_)
            | Refusal::UnknownKey
            | Refusal::Key(_)
            | Refusal::UserDisabled
            | Refusal::AccessToken
            | Refusal::PermissionDenied(_)
            | Refusal::IpNotAllowed
            | Refusal::ModelNotAllowed(_)
            | Refusal::Malformed(_)
            | Refusal::NotJson
            | Refusal::TooLarge(_)
            | Refusal::TooSlow
            | Refusal::UnboundedPrompt(_)
            | Refusal::UpstreamUnreachable
            | Refusal::UpstreamTimeout
            | Refusal::UpstreamBroken
            | Refusal::UpstreamUnreadable
            | Refusal::ProviderRefused(_)
            | Refusal::Internal => problem,
            // Coming back soon does not help before the month has turned.
            Refusal::InsufficientQuota { .. } => problem
                .with_header(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false")),
            Refusal::ProviderFailed(error) => match error.retry_after_seconds {
                Some(seconds) => problem.retry_after(seconds),
                None => problem,
            },
        }
    }
}

fn model_not_found() -> FieldProblem {
    FieldProblem {
        field: "model".into(),
        code: "model_not_found".into(),
        message: "is not offered here".into(),
    }
}
