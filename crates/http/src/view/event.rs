//! A request as it was recorded.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_billing::Money;
use tollgate_domain::UsageEvent;
use utoipa::ToSchema;

use super::{money::Usd, user::notes};

/// One request, or several that were refused. What is not known is `null`; a 0 was counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageEvent)]
pub struct EventView {
    /// Its id.
    id: String,
    /// When it was admitted or refused.
    time: DateTime<Utc>,
    /// The answer's `X-Request-Id`.
    request_id: String,
    /// Whose request it was.
    user_id: String,
    /// The key that asked; `null` where it was an access token.
    api_key_id: Option<String>,
    /// The caller's own name for whom it asked.
    end_user: Option<String>,
    /// The route, as in this document.
    endpoint: String,
    /// The HTTP method.
    method: String,
    /// The request's parameters without content.
    #[schema(value_type = Object)]
    params: Box<RawValue>,
    /// The answer's HTTP status; 499 where the client went away before it.
    status: u16,
    /// Bytes of the request's body.
    request_bytes: u64,
    /// Bytes of the answer's body.
    response_bytes: u64,
    /// Milliseconds from admission to the end.
    duration_ms: u64,
    /// Of those, waiting for the provider.
    upstream_ms: Option<u64>,
    /// The provider asked.
    provider: Option<String>,
    /// The public name of the model.
    model: Option<String>,
    /// The provider's name of it.
    upstream_model: Option<String>,
    /// What kind of work it was.
    #[schema(value_type = String, pattern = "^(chat|code)$")]
    request_type: &'static str,
    /// Tokens that went in.
    prompt_tokens: Option<u64>,
    /// Tokens that came out.
    completion_tokens: Option<u64>,
    /// Prompt tokens that the provider had cached.
    cached_tokens: Option<u64>,
    /// Completion tokens that were reasoning.
    reasoning_tokens: Option<u64>,
    /// Prompt and completion tokens.
    total_tokens: Option<u64>,
    /// Where the counts come from.
    #[schema(value_type = String, pattern = "^(reported|derived|observed|estimated|none)$")]
    usage_source: &'static str,
    /// Whether the counts are not the provider's.
    estimated: bool,
    /// What it cost; `null` where no price is known.
    #[schema(value_type = Option<f64>)]
    cost_usd: Option<Usd>,
    /// Whether the user's own provider key was used.
    own_key: bool,
    /// How many requests it stands for: more than one only for refusals.
    repeat: u32,
    /// The caller's address.
    ip: Option<String>,
    /// The caller's program.
    user_agent: Option<String>,
    /// The code of the problem, if the answer was one or ended in one.
    error_code: Option<String>,
}

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageEvents)]
pub struct EventsView {
    /// The requests, newest first.
    items: Vec<EventView>,
    /// Where the next page starts, if there is one.
    next_cursor: Option<String>,
}

impl From<&UsageEvent> for EventView {
    fn from(event: &UsageEvent) -> Self {
        Self {
            id: event.id.to_string(),
            time: event.time,
            request_id: event.request_id.clone(),
            user_id: event.user_id.to_string(),
            api_key_id: event.api_key_id.unless_of_sessions(event.user_id).map(|id| id.to_string()),
            end_user: event.end_user.clone(),
            endpoint: event.endpoint.clone(),
            method: event.method.clone(),
            params: notes(&event.params),
            status: event.status,
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            duration_ms: event.duration_ms,
            upstream_ms: event.upstream_ms,
            provider: event.provider.clone(),
            model: event.model.clone(),
            upstream_model: event.upstream_model.clone(),
            request_type: event.request_type.as_str(),
            prompt_tokens: event.tokens.prompt,
            completion_tokens: event.tokens.completion,
            cached_tokens: event.tokens.cached,
            reasoning_tokens: event.tokens.reasoning,
            total_tokens: event.tokens.total(),
            usage_source: event.usage_source.as_str(),
            estimated: event.usage_source.is_estimate(),
            cost_usd: event.cost_pico.map(|pico| Usd(Money::from_pico(pico.into()))),
            own_key: event.own_key,
            repeat: event.repeat,
            ip: event.ip.clone(),
            user_agent: event.user_agent.clone(),
            error_code: event.error_code.clone(),
        }
    }
}

impl EventsView {
    /// A page.
    pub fn new(events: &[UsageEvent], next_cursor: Option<String>) -> Self {
        Self { items: events.iter().map(EventView::from).collect(), next_cursor }
    }
}
