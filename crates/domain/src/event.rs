//! The usage event: what is kept of one gated request, for ever true once written.

use std::{fmt, str::FromStr};

use crate::{Environment, EventId, KeyId, Month, Time, UserId};

/// Where the token counts of an event come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// Worked out from what the provider said (total less prompt).
    Derived,
    /// Counted by a tokenizer over what was delivered.
    Observed,
    /// Guessed from the prompt alone.
    Estimated,
    /// Nothing was used.
    None,
}

/// What kind of work a request asked for; it picks the default price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RequestType {
    /// Chat, messages, and everything that is not code.
    #[default]
    Chat,
    /// `/v1/completions`, and whatever has a `suffix`.
    Code,
}

/// A stored name that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

impl UsageSource {
    const ALL: [Self; 5] = [Self::Reported, Self::Derived, Self::Observed, Self::Estimated, Self::None];

    /// The name by which clients know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Derived => "derived",
            Self::Observed => "observed",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }

    /// Whether the counts are ours rather than the provider's.
    pub const fn is_estimate(self) -> bool {
        !matches!(self, Self::Reported | Self::Derived)
    }
}

impl FromStr for UsageSource {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|source| source.as_str() == text).ok_or(UnknownName)
    }
}

impl RequestType {
    /// The name by which clients know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Code => "code",
        }
    }
}

impl FromStr for RequestType {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Chat, Self::Code].into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

impl fmt::Display for UsageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Token counts. `None` is unknown, which is not 0. Cached tokens lie within the prompt's, reasoning
/// tokens within the completion's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tokens {
    /// What went in.
    pub prompt: Option<u64>,
    /// What came out.
    pub completion: Option<u64>,
    /// What of the prompt the provider had cached.
    pub cached: Option<u64>,
    /// What of the completion was reasoning.
    pub reasoning: Option<u64>,
}

impl Tokens {
    /// Prompt and completion; `None` where neither is known.
    pub fn total(&self) -> Option<u64> {
        match (self.prompt, self.completion) {
            (None, None) => None,
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        }
    }
}

/// One gated request. Text is bounded by whoever makes it: the limits are at the constants here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UsageEvent {
    /// Set once, at admission.
    pub id: EventId,
    /// When it was admitted (or refused).
    pub time: Time,
    /// The month on whose quota it counts.
    pub month: Month,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// Whose request it was.
    pub user_id: UserId,
    /// The key that asked; `KeyId::of_sessions` where it was an access token.
    pub api_key_id: KeyId,
    /// Live or test.
    pub environment: Environment,
    /// The caller's own name for whom it asked.
    pub end_user: Option<String>,
    /// The route, as in the OpenAPI document.
    pub endpoint: String,
    /// The HTTP method.
    pub method: String,
    /// The request's parameters, cut, without content: a JSON object as text.
    pub params: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Whether it counts in the windows: every answer but 401, 403, 429 and 503.
    pub counts: bool,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// From admission to the end.
    pub duration_ms: u64,
    /// Of that, waiting for the provider; `None` where none was asked.
    pub upstream_ms: Option<u64>,
    /// The provider asked.
    pub provider: Option<String>,
    /// The public name of the model.
    pub model: Option<String>,
    /// The provider's name of it.
    pub upstream_model: Option<String>,
    /// What kind of work it was.
    pub request_type: RequestType,
    /// What it used.
    pub tokens: Tokens,
    /// Where those counts come from.
    pub usage_source: UsageSource,
    /// What it cost, in pico-dollars; `None` where no price is known.
    pub cost_pico: Option<i64>,
    /// Whether the user's own provider key was used: then nothing counts on the quota.
    pub own_key: bool,
    /// How many requests the event stands for; more than 1 only for refusals.
    pub repeat: u32,
    /// The caller's address.
    pub ip: Option<String>,
    /// The caller's program.
    pub user_agent: Option<String>,
    /// The code of the problem, if the answer was one.
    pub error_code: Option<String>,
}

/// The longest short text of an event (names, ids, addresses), in bytes.
pub const MAX_SHORT_TEXT_BYTES: usize = 200;
/// The longest `params` of an event, in bytes.
pub const MAX_PARAMS_BYTES: usize = 2_000;

/// `text` cut to at most `max_bytes`, at a character's edge and without controls.
pub fn bounded(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes && text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        if kept.len().saturating_add(c.len_utf8()) > max_bytes {
            break;
        }
        kept.push(if c.is_control() { ' ' } else { c });
    }
    kept
}

impl UsageEvent {
    /// Tokens that it takes from the quota.
    pub fn quota_tokens(&self) -> u64 {
        if self.own_key { 0 } else { self.tokens.total().unwrap_or(0) }
    }

    /// Whether the answer was a success.
    pub const fn succeeded(&self) -> bool {
        self.status < 400 && self.error_code.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_not_zero() {
        assert_eq!(Tokens::default().total(), None);
        assert_eq!(Tokens { prompt: Some(0), completion: Some(0), ..Tokens::default() }.total(), Some(0));
        assert_eq!(Tokens { prompt: Some(3), ..Tokens::default() }.total(), Some(3));
    }

    #[test]
    fn text_is_cut_at_a_characters_edge() {
        assert_eq!(bounded("aéé", 4), "aé");
        assert_eq!(bounded("a\r\nb", 10), "a  b");
    }
}
