//! The guard of an admitted request: whatever happens, it is given back or settled and recorded.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Time, Tokens, UsageEvent, UsageSource};
use tollgate_usage::{Outcome, Place, Ticket};

use crate::{
    event,
    line::Shared,
    request::Prompt,
    upstream::ReportedUsage,
    usage::{self, Observed},
};

/// The code of an event whose client went away.
const CLIENT_GONE: &str = "client_closed_request";
/// The status of an event whose client went away before it had one; nginx's, since no standard has any.
const CLIENT_GONE_STATUS: u16 = 499;
/// The code of an event whose request was ended from within: by a panic or a shutdown.
const INTERRUPTED: &str = "interrupted";

pub(crate) struct Open {
    shared: Arc<Shared>,
    /// Gone once settled.
    owed: Option<(Ticket, Place)>,
    pub event: UsageEvent,
    /// Set when the request went upstream: from then on it may cost.
    flown: Option<Flown>,
}

struct Flown {
    at: Time,
    prompt: Prompt,
    observed: Observed,
    reported: Option<ReportedUsage>,
    /// The upstream failed before its first byte.
    empty: bool,
}

impl Open {
    pub fn new(shared: Arc<Shared>, ticket: Ticket, place: Place, event: UsageEvent) -> Self {
        Self { shared, owed: Some((ticket, place)), event, flown: None }
    }

    /// The request goes upstream now.
    pub fn take_off(&mut self, prompt: Prompt) {
        let at = self.shared.clock.now();
        self.flown = Some(Flown { at, prompt, observed: Observed::default(), reported: None, empty: false });
    }

    /// The upstream failed before its first byte: nothing is charged.
    pub fn land_empty(&mut self) {
        if let Some(flown) = &mut self.flown {
            flown.empty = true;
        }
    }

    /// Notes what was delivered and what the provider said of it; of several reports the last counts.
    pub fn observe(&mut self, text: &str, reported: Option<ReportedUsage>) {
        if let Some(flown) = &mut self.flown {
            flown.observed.add(text);
            flown.reported = reported.or(flown.reported);
        }
    }

    /// Whether the provider has said what was used.
    pub fn is_reported(&self) -> bool {
        self.flown.as_ref().is_some_and(|flown| flown.reported.is_some())
    }

    /// Notes that the upstream has answered, or failed to, and how long that took.
    pub fn note_first_byte(&mut self) {
        self.note_upstream_time();
        let provider = self.event.provider.clone().unwrap_or_default();
        let waited = Duration::from_millis(self.event.upstream_ms.unwrap_or(0));
        metrics::histogram!("tollgate_upstream_seconds", "provider" => provider).record(waited);
    }

    /// Notes how long the upstream has had until now.
    pub fn note_upstream_time(&mut self) {
        if let Some(flown) = &self.flown {
            let elapsed = self.shared.clock.now().signed_duration_since(flown.at);
            self.event.upstream_ms = u64::try_from(elapsed.num_milliseconds()).ok();
        }
    }

    /// Notes that the client went away; `answered` tells whether it had the status by then.
    pub fn note_gone(&mut self, answered: bool) {
        if !answered {
            self.event.status = CLIENT_GONE_STATUS;
        }
        self.event.error_code = Some(CLIENT_GONE.to_owned());
    }

    /// Works out what was used and what it cost, and completes the event.
    pub fn work_out(&mut self) {
        let image_tokens = self.shared.settings.image_tokens;
        let (tokens, source) = match self.flown.as_ref().filter(|flown| !flown.empty) {
            None => (Tokens::default(), UsageSource::None),
            Some(flown) => flown.reported.as_ref().and_then(usage::from_report).unwrap_or_else(|| {
                usage::from_observation(flown.reported.as_ref(), &flown.observed, || {
                    flown.prompt.estimate(image_tokens)
                })
            }),
        };
        self.event.tokens = tokens;
        self.event.usage_source = source;
        let model = self.event.model.as_deref().unwrap_or_default();
        let cost = self.shared.prices.cost(model, self.event.request_type, &tokens);
        self.event.cost_pico = cost.and_then(|cost| i64::try_from(cost.pico()).ok());
        event::end(&self.shared, &mut self.event);
        self.report(cost.is_none());
    }

    /// What operators must hear of: prices unknown, providers that use more than they were sent.
    fn report(&self, unpriced: bool) {
        let Some(used) = self.event.tokens.total() else { return };
        self.count_tokens("prompt", self.event.tokens.prompt);
        self.count_tokens("completion", self.event.tokens.completion);
        let (model, provider) = (self.event.model.as_deref(), self.event.provider.as_deref());
        if unpriced {
            tracing::warn!(model, "no price is known for this model: its cost is recorded as unknown");
        }
        let held = self.owed.as_ref().map_or(0, |(ticket, _)| ticket.held);
        if used > held {
            tracing::warn!(model, provider, used, held, "the provider used more than the limit it was sent");
        }
    }

    fn count_tokens(&self, kind: &'static str, tokens: Option<u64>) {
        let labels =
            [("provider", self.event.provider.clone().unwrap_or_default()), ("kind", kind.to_owned())];
        metrics::counter!("tollgate_tokens_total", &labels).increment(tokens.unwrap_or(0));
    }

    /// What the ticket is swapped for.
    fn outcome(&self) -> Outcome {
        Outcome { used: self.event.quota_tokens(), counts: self.event.counts }
    }

    /// Records the event, then swaps the hold for what was used; gives what the quota has used and holds
    /// now, and whether the event is on disk.
    pub async fn close(&mut self) -> (u64, u64, bool) {
        let Some((ticket, place)) = self.owed.take() else { return (0, 0, false) };
        let shared = Arc::clone(&self.shared);
        // From here on the recorder owes the event; should this task end meanwhile, the hold must not stay.
        let settling = Settling { shared: &shared, ticket: Some(ticket), outcome: self.outcome() };
        let recorded = shared.recorder.record(place, self.event.clone()).await.is_ok();
        let (used, held) = settling.settle();
        (used, held, recorded)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some((ticket, place)) = self.owed.take() else { return };
        if self.flown.is_none() {
            return self.shared.meter.release(ticket);
        }
        self.work_out();
        self.event.error_code = Some(INTERRUPTED.to_owned());
        let outcome = self.outcome();
        self.shared.recorder.record_unwaited(place, self.event.clone());
        self.shared.meter.settle(ticket, outcome);
    }
}

/// Settles a ticket, at the latest when dropped.
struct Settling<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
    outcome: Outcome,
}

impl Settling<'_> {
    fn settle(mut self) -> (u64, u64) {
        self.ticket.take().map_or((0, 0), |ticket| self.shared.meter.settle(ticket, self.outcome))
    }
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.meter.settle(ticket, self.outcome);
        }
    }
}
