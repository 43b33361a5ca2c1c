//! The usage event of a call, as far as it is known when the caller is.

use tollgate_domain::{
    EventId, Month, Tokens, UsageEvent, UsageSource,
    event::{MAX_SHORT_TEXT_BYTES, bounded},
};

use crate::{Caller, Refusal, call::Origin, line::Shared, refusal};

/// An event that begins now.
pub fn begin(shared: &Shared, caller: &Caller, origin: &Origin<'_>) -> Box<UsageEvent> {
    let now = shared.clock.now();
    let short = |text| bounded(text, MAX_SHORT_TEXT_BYTES);
    Box::new(UsageEvent {
        id: EventId::new(now, &*shared.random),
        time: now,
        month: Month::of(now),
        request_id: short(origin.request_id),
        user_id: caller.user.id,
        api_key_id: caller.key.id,
        environment: caller.key.environment,
        end_user: None,
        endpoint: origin.path.to_owned(),
        method: origin.method.to_owned(),
        params: "{}".to_owned(),
        status: 200,
        counts: true,
        request_bytes: 0,
        response_bytes: 0,
        duration_ms: 0,
        upstream_ms: None,
        provider: None,
        model: None,
        upstream_model: None,
        request_type: origin.request_type,
        tokens: Tokens::default(),
        usage_source: UsageSource::None,
        cost_pico: None,
        own_key: false,
        repeat: 1,
        ip: origin.ip.map(|ip| ip.to_string()),
        user_agent: origin.user_agent.map(short),
        error_code: None,
    })
}

/// Notes that the answer is `refusal`.
pub fn refuse(event: &mut UsageEvent, refusal: &Refusal) {
    event.status = refusal.status();
    event.counts = refusal::counts(event.status);
    event.error_code = Some(refusal.code().to_owned());
}

/// Notes that the answer became a 503, because its record came too late.
pub fn is_answered_503(event: &mut UsageEvent) {
    refuse(event, &Refusal::StoreUnavailable);
}

/// Notes that the answer to a question became a 503, because its record came too late: who has no answer lets nobody
/// in, and so nothing was used.
pub fn is_not_verified(event: &mut UsageEvent) {
    is_answered_503(event);
    event.tokens = Tokens::default();
    event.usage_source = UsageSource::None;
    event.cost_pico = None;
}

/// Notes that the answer, whose status was sent long ago, broke off because its record came too late.
pub fn breaks_off_unrecorded(event: &mut UsageEvent) {
    event.error_code = Some(Refusal::StoreUnavailable.code().to_owned());
}

/// Notes how long it took until now.
pub fn end(shared: &Shared, event: &mut UsageEvent) {
    let elapsed = shared.clock.now().signed_duration_since(event.time);
    event.duration_ms = u64::try_from(elapsed.num_milliseconds()).unwrap_or(0);
}
