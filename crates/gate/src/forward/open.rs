//! The guard of an admitted request: whatever happens, it is given back or settled and recorded.

use std::{cell::OnceCell, rc::Rc, sync::Arc, time::Duration};

use tollgate_domain::{Time, Tokens, UsageEvent, UsageSource};
use tollgate_usage::{Outcome, Place, Ticket, TooLate};

use super::beat::Beat;
use crate::{
    Timer, blocking, event,
    line::Shared,
    metric,
    request::Prompt,
    tokenizer,
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
    /// Tokens held at admission.
    held: u64,
    /// Boxed: it is long, and goes from step to step.
    pub event: Box<UsageEvent>,
    /// Set when the request went upstream: from then on it may cost.
    flown: Option<Flown>,
    pub(super) beat: Beat,
}

struct Flown {
    at: Time,
    prompt: Prompt,
    /// The prompt's tokens, once somebody had to estimate them.
    estimated: OnceCell<u64>,
    observed: Observed,
    reported: Option<ReportedUsage>,
    /// The upstream failed before its first byte.
    empty: bool,
}

impl Open {
    pub fn new(
        shared: Arc<Shared>,
        timer: Rc<dyn Timer>,
        ticket: Ticket,
        place: Place,
        event: Box<UsageEvent>,
    ) -> Self {
        let (held, owed, beat) = (ticket.held, Some((ticket, place)), Beat::new(timer));
        Self { shared, owed, held, event, flown: None, beat }
    }

    /// The request goes upstream now.
    pub fn take_off(&mut self, prompt: Prompt) {
        let at = self.shared.clock.now();
        self.flown = Some(Flown {
            at,
            prompt,
            estimated: OnceCell::new(),
            observed: Observed::default(),
            reported: None,
            empty: false,
        });
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

    /// Counts on another thread what was observed and would take a worker long.
    pub async fn count_long(&mut self) {
        let Some(flown) = self.flown.as_mut().filter(|flown| flown.observed.is_long()) else { return };
        let text = flown.observed.uncounted().to_owned();
        let counted = blocking::run(&*self.shared.lookups, move || tokenizer::count(&text)).await;
        flown.observed.count_as(|text| counted.unwrap_or_else(|_full| tokenizer::estimate(text)));
    }

    /// Whether the provider has said what was used.
    pub fn is_reported(&self) -> bool {
        self.flown.as_ref().is_some_and(|flown| flown.reported.is_some())
    }

    /// Notes that the upstream has answered, or failed to, and how long that took.
    pub fn note_first_byte(&mut self) {
        self.note_upstream_time();
        let waited = Duration::from_millis(self.event.upstream_ms.unwrap_or(0));
        let provider = self.event.provider.as_deref().unwrap_or_default();
        metric::of_provider(provider).upstream.record(waited);
    }

    /// Notes how long the upstream has had until now.
    pub fn note_upstream_time(&mut self) {
        if let Some(flown) = &self.flown {
            self.event.upstream_ms = flown.elapsed_ms(&self.shared);
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
        let unpriced = complete(&self.shared, self.flown.as_ref(), &mut self.event);
        self.report(unpriced);
    }

    /// Leaves a snapshot of how far the request has come: what it would be if it ended now.
    pub(super) fn keep(&mut self) {
        let (Some((_, place)), Some(flown)) = (&self.owed, &mut self.flown) else { return };
        flown.observed.count_words();
        let mut event = self.event.clone();
        event.upstream_ms = flown.elapsed_ms(&self.shared);
        event.error_code = Some(INTERRUPTED.to_owned());
        complete(&self.shared, self.flown.as_ref(), &mut event);
        self.shared.recorder.keep_open(place, *event);
    }

    /// What operators must hear of: prices unknown, providers that use more than they were sent.
    fn report(&self, unpriced: bool) {
        let Some(used) = self.event.tokens.total() else { return };
        let (model, provider) = (self.event.model.as_deref(), self.event.provider.as_deref());
        if let Some(provider) = provider {
            let counted = metric::of_provider(provider);
            counted.prompt_tokens.increment(self.event.tokens.prompt.unwrap_or(0));
            counted.completion_tokens.increment(self.event.tokens.completion.unwrap_or(0));
        }
        if unpriced {
            tracing::warn!(model, "no price is known for this model: its cost is recorded as unknown");
        }
        let held = self.held;
        if used > held {
            tracing::warn!(model, provider, used, held, "the provider used more than the limit it was sent");
        }
    }

    /// What the ticket is swapped for.
    fn outcome(&self) -> Outcome {
        Outcome { used: self.event.quota_tokens(), counts: self.event.counts }
    }

    /// Records the event, then swaps the hold for what was used. Where the record is late, the event is what
    /// `too_late` makes of it.
    pub async fn close(&mut self, too_late: TooLate) -> Closed {
        let Some((ticket, place)) = self.owed.take() else { return Closed::default() };
        let shared = Arc::clone(&self.shared);
        // From here on the recorder owes the event; should this task end meanwhile, the hold must not stay.
        let mut settling = Settling { shared: &shared, ticket: Some(ticket), outcome: self.outcome() };
        let recorded = shared.recorder.record(place, (*self.event).clone(), too_late).await.is_ok();
        if !recorded {
            too_late(&mut self.event);
            settling.outcome = self.outcome();
        }
        let (used, held) = settling.settle();
        Closed { used, held, recorded }
    }
}

/// What a settlement leaves.
#[derive(Default)]
pub(crate) struct Closed {
    /// What the quota has used now.
    pub used: u64,
    /// What it holds now.
    pub held: u64,
    /// Whether the event is on disk.
    pub recorded: bool,
}

impl Flown {
    fn elapsed_ms(&self, shared: &Shared) -> Option<u64> {
        let elapsed = shared.clock.now().signed_duration_since(self.at);
        u64::try_from(elapsed.num_milliseconds()).ok()
    }

    fn usage(&self, image_tokens: u64) -> (Tokens, UsageSource) {
        self.reported.as_ref().and_then(usage::from_report).unwrap_or_else(|| {
            let prompt = || *self.estimated.get_or_init(|| self.prompt.estimate(image_tokens));
            usage::from_observation(self.reported.as_ref(), &self.observed, prompt)
        })
    }
}

/// Completes an event with what was used until now and what that cost; whether its price is unknown.
fn complete(shared: &Shared, flown: Option<&Flown>, event: &mut UsageEvent) -> bool {
    let flown = flown.filter(|flown| !flown.empty);
    let (tokens, source) = flown
        .map_or((Tokens::default(), UsageSource::None), |flown| flown.usage(shared.settings.image_tokens));
    event.tokens = tokens;
    event.usage_source = source;
    let model = event.model.as_deref().unwrap_or_default();
    let cost = shared.prices.cost(model, event.request_type, &tokens);
    event.cost_pico = cost.and_then(|cost| i64::try_from(cost.pico()).ok());
    event::end(shared, event);
    cost.is_none()
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.owed.is_some() && self.flown.is_some() {
            // While the ticket still tells what was held.
            self.work_out();
        }
        let Some((ticket, place)) = self.owed.take() else { return };
        if self.flown.is_none() {
            return self.shared.meter.release(ticket);
        }
        self.event.error_code = Some(INTERRUPTED.to_owned());
        let outcome = self.outcome();
        self.shared.recorder.record_unwaited(place, (*self.event).clone());
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
