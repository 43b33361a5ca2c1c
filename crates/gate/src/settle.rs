//! What was used, what it cost, and what the client is told of it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_billing::Money;
use tollgate_domain::UsageEvent;

use crate::{
    Line, event,
    forward::{Ending, Flight},
};

/// A flight whose costs are worked out. Only settlement makes one.
pub(crate) struct Bill(pub Flight);

impl Line {
    pub(crate) fn settle(&self, mut flight: Flight) -> Bill {
        match &flight.ending {
            Ending::Whole { completion, .. } => {
                flight.open.event.response_bytes = u64::try_from(completion.body.len()).unwrap_or(u64::MAX);
            }
            Ending::Models { body, .. } => {
                flight.open.event.response_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            }
            Ending::Verified { .. } => {}
            Ending::Refused { refusal, .. } => event::refuse(&mut flight.open.event, refusal),
            Ending::Streamed { broken, .. } => {
                // The status was sent long ago.
                flight.open.event.error_code = broken.as_ref().map(|refusal| refusal.code().to_owned());
            }
            Ending::Gone { answered } => flight.open.note_gone(*answered),
        }
        flight.open.work_out();
        Bill(flight)
    }
}

/// The plain completion's answer beside its text.
#[derive(Serialize)]
pub(crate) struct Plain<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    model: &'a str,
    provider: &'a str,
    usage: Usage,
    cost_usd: Option<Box<RawValue>>,
    tokens_remaining: u64,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    estimated: bool,
}

impl<'a> Plain<'a> {
    /// From a settled event.
    pub fn of(event: &'a UsageEvent, text: Option<&'a str>, id: Option<String>, remaining: u64) -> Self {
        let money = event.cost_pico.map(|pico| Money::from_pico(pico.into()).to_string());
        Self {
            id: id.unwrap_or_else(|| event.id.to_string()),
            text,
            model: event.model.as_deref().unwrap_or_default(),
            provider: event.provider.as_deref().unwrap_or_default(),
            usage: Usage {
                prompt_tokens: event.tokens.prompt,
                completion_tokens: event.tokens.completion,
                total_tokens: event.tokens.total(),
                estimated: event.usage_source.is_estimate(),
            },
            cost_usd: money.and_then(|decimal| RawValue::from_string(decimal).ok()),
            tokens_remaining: remaining,
        }
    }

    /// As a body.
    pub fn to_body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// As the last event but the end marker.
    pub fn to_event(&self) -> String {
        format!("data: {}\n\n", serde_json::to_string(self).unwrap_or_default())
    }
}

/// A piece of a plain completion's text.
pub(crate) fn plain_chunk(text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Piece<'a> {
        text: &'a str,
    }
    let piece = serde_json::to_string(&Piece { text }).unwrap_or_default();
    format!("data: {piece}\n\n").into()
}
