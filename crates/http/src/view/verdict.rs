//! What a service is told of a credential.

use actix_web::http::header::RETRY_AFTER;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_domain::{ApiKey, User};
use tollgate_gate::{Metered, Verdict};
use tollgate_usage::Reading;
use utoipa::ToSchema;

use super::{stats::QuotaView, user::notes};
use crate::problem::Problem;

/// Whether a credential is good for what was asked. Of what nobody has, nothing else is told; of a key that is no good,
/// its id, its user's and its environment.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictView {
    /// Whether it is good for what was asked.
    valid: bool,
    /// Why it is not, as the gate's own refusals are called: `invalid_api_key`, `invalid_credentials`, `key_expired`,
    /// `key_revoked`, `key_disabled`, `user_disabled`; `permission_denied`, `model_not_allowed`, `ip_not_allowed`;
    /// `rate_limit_exceeded`, `insufficient_quota`, `quota_reserved`, `concurrency_limit`. `null` where it is.
    #[schema(value_type = Option<String>)]
    code: Option<&'static str>,
    /// The same in words, for people.
    detail: Option<String>,
    /// Seconds after which the same may be answered otherwise, where that is soon.
    retry_after_seconds: Option<u64>,
    /// Whose it is.
    user_id: Option<String>,
    /// The key's id; `null` for an access token.
    api_key_id: Option<String>,
    /// What it may reach.
    #[schema(value_type = Option<String>, pattern = "^(live|test)$")]
    environment: Option<&'static str>,
    /// The key's tier, else its user's; one that its user chose for it reaches no further than the user's own.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<&'static str>,
    /// What it may do.
    permissions: Option<Vec<String>>,
    /// How its limits stand, this request counted if it was.
    rate_limit: Option<RateLimitView>,
    /// The notes of the key's owner; empty for an access token.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// How limits stand: of the limits that apply to a window, the one that leaves less.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateLimit)]
pub struct RateLimitView {
    /// Requests of the last 60 seconds.
    minute: WindowView,
    /// Requests of the last 3,600 seconds.
    hour: WindowView,
    /// Requests of the last 86,400 seconds.
    day: WindowView,
    /// The user's tokens of the running month.
    quota: Option<QuotaView>,
}

/// How a window of requests stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateLimitWindow)]
pub struct WindowView {
    /// How many requests may be inside.
    limit: u64,
    /// How many are.
    used: u64,
    /// How many more fit.
    remaining: u64,
    /// When one more will fit; `null` while none is inside.
    resets_at: Option<DateTime<Utc>>,
}

impl VerdictView {
    /// That a credential is nobody's.
    pub fn of_nobody(refusal: &Problem) -> Self {
        let retry_after = refusal.headers().iter().find(|(name, _)| *name == RETRY_AFTER);
        let seconds = |text: &str| text.parse().ok();
        Self {
            code: Some(refusal.code()),
            detail: Some(refusal.detail().to_owned()),
            retry_after_seconds: retry_after.and_then(|(_, value)| value.to_str().ok().and_then(seconds)),
            ..Self::default()
        }
    }

    fn refused(self, refusal: &Problem) -> Self {
        let Self { code, detail, retry_after_seconds, .. } = Self::of_nobody(refusal);
        Self { valid: false, code, detail, retry_after_seconds, ..self }
    }

    fn with_key(self, key: &ApiKey) -> Self {
        Self {
            user_id: Some(key.user_id.to_string()),
            api_key_id: key.id.unless_of_sessions(key.user_id).map(|id| id.to_string()),
            environment: Some(key.environment.as_str()),
            ..self
        }
    }

    fn with_what_is_good(self, key: &ApiKey, user: &User, metered: Option<&Metered>) -> Self {
        Self {
            tier: Some(key.limits.tier_under(user.tier).as_str()),
            permissions: Some(key.permissions.iter().map(ToString::to_string).collect()),
            rate_limit: metered.map(RateLimitView::from),
            metadata: Some(notes(&key.metadata)),
            ..self
        }
    }
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        let Verdict { refusal, key, user, metered } = verdict;
        let view = Self { valid: true, ..Self::default() };
        let view = match (key, user) {
            (Some(key), Some(user)) => view.with_key(&key).with_what_is_good(&key, &user, metered.as_ref()),
            (Some(key), None) => view.with_key(&key),
            (None, _) => view,
        };
        match refusal {
            Some(refusal) => view.refused(&refusal.into()),
            None => view,
        }
    }
}

impl From<&Metered> for RateLimitView {
    fn from(metered: &Metered) -> Self {
        let [minute, hour, day] = metered.readings.map(WindowView::from);
        Self { minute, hour, day, quota: metered.quota.as_ref().map(QuotaView::from) }
    }
}

impl From<Reading> for WindowView {
    fn from(reading: Reading) -> Self {
        Self {
            limit: reading.limit,
            used: reading.used,
            remaining: reading.remaining(),
            resets_at: reading.resets_at,
        }
    }
}
