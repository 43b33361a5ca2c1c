//! The one atomic admission: windows, concurrency and tokens, and a place in the recorder's queue.

use std::{rc::Rc, sync::Arc};

use chrono::TimeDelta;
use tollgate_domain::{Month, quota::QuotaState};
use tollgate_store::StoreError;
use tollgate_usage::{Admission, Denied, NoPlace, QuotaAsk, Scope};

use crate::{
    Line, Refusal, blocking,
    forward::Open,
    limit::{Pass, Work, refused},
    line::Refused,
    reply::Metered,
    tokenizer,
    usage::MAX_TEXT_ON_WORKER,
};

/// An admitted request. Dropped, it gives everything back. Only reservation makes one.
pub(crate) struct Hold {
    pub open: Box<Open>,
    pub work: Work,
    pub metered: Metered,
    /// The output limit that was held, for each output.
    pub output_limit: u64,
}

impl Line {
    /// # Errors
    /// A 429, which leaves its event and counts nothing, or a 503, which leaves nothing.
    pub(crate) async fn reserve(&self, mut pass: Pass) -> Result<Hold, Refused> {
        let shared = &self.shared;
        let place = shared.recorder.reserve(pass.ask.scope.user)?;
        match self.admit_tightly(&mut pass).await? {
            Ok(Admission { ticket, readings, quota, output_limit }) => {
                (pass.event.time, pass.event.month) = (ticket.time, ticket.month);
                let timer = Rc::clone(&self.timer);
                let open = Box::new(Open::new(Arc::clone(shared), timer, ticket, place, pass.event));
                let metered = Metered { readings, quota: Some(quota) };
                Ok(Hold { open, work: pass.work, metered, output_limit })
            }
            Err(denied) => {
                let refusal = explain(denied, &pass);
                let (readings, quota) = shared.meter.read(&pass.ask).await;
                shared.recorder.note(refused(shared, pass.event, &refusal));
                Err(Refused { refusal, metered: Some(Metered { readings, quota }) })
            }
        }
    }

    /// Asks with the prompt's bytes first; where those don't fit, with a tokenizer's count, and only then
    /// with a smaller output limit than wanted.
    async fn admit_tightly(&self, pass: &mut Pass) -> Result<Result<Admission, Denied>, Refusal> {
        let may_shrink = std::mem::take(&mut pass.ask.quota.shrink);
        let first = self.admit_seeded(pass).await?;
        let Err(Denied::Quota { state, .. }) = &first else { return Ok(first) };
        pass.ask.quota.shrink = may_shrink;
        if !is_hopeless(pass, state) {
            pass.ask.quota.prompt = self.tighter_prompt(pass).await?;
        }
        self.admit_seeded(pass).await
    }

    /// The prompt's bound by a tokenizer.
    async fn tighter_prompt(&self, pass: &Pass) -> Result<u64, Refusal> {
        let Work::Complete(job) = &pass.work else { return Ok(pass.ask.quota.prompt) };
        let settings = self.shared.settings;
        let (factor, image) = (settings.tokenizer_factor_thousandths, settings.image_tokens);
        let prompt = job.request.prompt.clone();
        let bound = if prompt.text_bytes() <= MAX_TEXT_ON_WORKER {
            prompt.tokenized_bound(factor, image)
        } else {
            blocking::run(&*self.shared.lookups, move || prompt.tokenized_bound(factor, image))
                .await
                .map_err(|blocking::Overloaded| Refusal::Overloaded)?
        };
        Ok(bound.saturating_add(job.request.outputs.saturating_mul(job.request.thinking)))
    }

    /// Asks the meter; a user whom it does not know yet is looked up first.
    async fn admit_seeded(&self, pass: &mut Pass) -> Result<Result<Admission, Denied>, Refusal> {
        let decision = self.admit_now(pass).await;
        if !matches!(decision, Err(Denied::Unseeded)) {
            return Ok(decision);
        }
        self.seed(pass.ask.scope, pass.ask.quota.month).await?;
        Ok(self.admit_now(pass).await)
    }

    /// Tells the meter what a user whom it does not know yet has used.
    ///
    /// # Errors
    /// A 503 where that cannot be told now.
    pub(crate) async fn seed(&self, scope: Scope, month: Month) -> Result<(), Refusal> {
        let usage = Arc::clone(&self.shared.stores.usage);
        // The month to come as well: before this process, the clock may have been ahead.
        let used = move |month| Ok((month, usage.quota_used(scope.user, scope.environment, month)?));
        let read = move || Ok::<_, StoreError>([used(month)?, used(month.next())?]);
        match blocking::run(&*self.shared.lookups, read).await {
            Ok(Ok(months)) => {
                months.into_iter().for_each(|(month, used)| self.shared.meter.seed(scope, month, used));
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::warn!(cause = ?error, "a quota could not be looked up");
                Err(Refusal::StoreUnavailable)
            }
            Err(blocking::Overloaded) => Err(Refusal::Overloaded),
        }
    }

    /// Asks the meter. A body and a look-up may take their time: what counts is when they were there, or
    /// many slow requests could be admitted into one window and as many quick ones into the next. So does the
    /// month, and what it allows.
    async fn admit_now(&self, pass: &mut Pass) -> Result<Admission, Denied> {
        pass.ask.now = self.shared.clock.now();
        let month = Month::of(pass.ask.now);
        pass.ask.quota.month = month;
        pass.ask.quota.limit = pass.user.monthly_tokens(&self.shared.tiers, month);
        self.shared.meter.admit(&pass.ask).await
    }
}

impl From<NoPlace> for Refused {
    fn from(none: NoPlace) -> Self {
        let refusal = match none {
            NoPlace::Full => Refusal::Overloaded,
            NoPlace::Unavailable => Refusal::StoreUnavailable,
        };
        refusal.into()
    }
}

/// Whether the prompt's text alone is more than the month allows, whatever a tokenizer says.
fn is_hopeless(pass: &Pass, state: &QuotaState) -> bool {
    let Work::Complete(job) = &pass.work else { return true };
    let fewest = job.request.prompt.text_bytes() / tokenizer::LONGEST_TOKEN_BYTES;
    u64::try_from(fewest).unwrap_or(u64::MAX) > state.limit.saturating_sub(state.used)
}

/// The refusal that a denial means.
fn explain(denied: Denied, pass: &Pass) -> Refusal {
    match denied {
        // It was seeded a moment ago.
        Denied::Unseeded => Refusal::Internal,
        Denied::Window { readings, free_at } => {
            let wait = free_at.signed_duration_since(pass.ask.now).max(TimeDelta::zero());
            Refusal::RateLimited { readings, retry_after: wait.to_std().unwrap_or_default() }
        }
        Denied::Concurrency { limit, .. } => Refusal::ConcurrencyLimit { limit },
        Denied::Quota { state, reserved: true, .. } => Refusal::QuotaReserved { state },
        Denied::Quota { state, reserved: false, .. } => {
            Refusal::InsufficientQuota { state, fits: fitting(&pass.ask.quota, &state) }
        }
    }
}

/// The output limit that would fit.
fn fitting(ask: &QuotaAsk, state: &QuotaState) -> Option<u64> {
    let left = state.remaining().checked_sub(ask.prompt)?;
    left.checked_div(ask.outputs).filter(|limit| *limit > 0)
}
