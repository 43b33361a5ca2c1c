//! Which limits apply, and how much is asked of them. Asks nobody.

use std::sync::Arc;

use tollgate_domain::{ApiKey, Checks, Month, Time, UsageEvent, User};
use tollgate_usage::{Ask, QuotaAsk, Scope};

use crate::{
    Caller, Endpoint, Line, Refusal,
    authorise::{Asked, Grant},
    catalogue::Route,
    event,
    line::{LineSettings, Shared},
    request::Request,
};

/// A grant whose limits are known. Only limiting makes one.
pub(crate) struct Pass {
    /// Whose month it is that the tokens are taken from.
    pub user: Arc<User>,
    pub ask: Ask,
    /// Boxed: it is long, and goes from step to step.
    pub event: Box<UsageEvent>,
    pub work: Work,
}

/// What is to be done once the request is admitted.
pub(crate) enum Work {
    /// Ask a provider.
    Complete(Box<Job>),
    /// List the models that this key may ask.
    Models(Arc<ApiKey>),
    /// Count a request elsewhere that used so many tokens.
    Verify { tokens: u64 },
    /// Refuse what made no sense.
    Refuse(Refusal),
}

/// A request for a completion and where it goes.
pub(crate) struct Job {
    pub endpoint: Endpoint,
    pub request: Box<Request>,
    pub route: Route,
}

impl Line {
    pub(crate) fn limit(&self, grant: Grant) -> Pass {
        let Grant { caller, mut event, asked } = grant;
        let mut ask = ask(&self.shared, &caller, event.time);
        let work = match asked.and_then(|asked| self.work(asked, &caller)) {
            Ok(work) => work,
            Err(refusal) => Work::Refuse(refusal),
        };
        match &work {
            Work::Complete(job) => {
                describe(&mut event, job);
                ask.quota = tokens(&self.shared.settings, job, ask.quota);
            }
            Work::Verify { tokens } => ask.quota.prompt = *tokens,
            Work::Models(_) | Work::Refuse(_) => {}
        }
        Pass { user: caller.user, ask, event, work }
    }

    fn work(&self, asked: Asked, caller: &Caller) -> Result<Work, Refusal> {
        let (endpoint, request) = match asked {
            Asked::Models => return Ok(Work::Models(Arc::clone(&caller.key))),
            Asked::Verification { tokens } => return Ok(Work::Verify { tokens }),
            Asked::Completion(endpoint, request) => (endpoint, request),
        };
        if request.model.is_none() && endpoint == Endpoint::ChatCompletions {
            let error = crate::FieldError::new("model", "missing", "name the model to be asked");
            return Err(Refusal::Validation(vec![error]));
        }
        let route = self.shared.catalogue.route(caller.key.environment, request.model.as_deref())?;
        Ok(Work::Complete(Box::new(Job { endpoint, request, route })))
    }
}

/// What a request without tokens asks for.
pub(crate) fn ask(shared: &Shared, caller: &Caller, now: Time) -> Ask {
    let month = Month::of(now);
    Ask {
        scope: Scope { user: caller.user.id, environment: caller.key.environment },
        key: caller.key.id,
        checks: Checks::of(&caller.user, &caller.key.limits, &shared.tiers),
        now,
        max_concurrent: shared.settings.max_concurrent,
        quota: QuotaAsk {
            month,
            limit: caller.user.monthly_tokens(&shared.tiers, month),
            prompt: 0,
            outputs: 0,
            output_limit: 0,
            shrink: false,
        },
    }
}

/// The hold of a completion: the prompt by its bytes, and the output limit that is named, else the
/// model's, else the default, times the outputs.
fn tokens(settings: &LineSettings, job: &Job, none: QuotaAsk) -> QuotaAsk {
    let Job { request, route, .. } = job;
    let unnamed = || route.max_output_tokens.unwrap_or(settings.default_output_tokens);
    QuotaAsk {
        prompt: request
            .prompt
            .bound(settings.image_tokens)
            .saturating_add(request.outputs.saturating_mul(request.thinking)),
        outputs: request.outputs,
        output_limit: request.named_output_limit().unwrap_or_else(unnamed),
        shrink: request.named_output_limit().is_none(),
        ..none
    }
}

fn describe(event: &mut UsageEvent, job: &Job) {
    event.params = job.request.params();
    event.end_user.clone_from(&job.request.end_user);
    event.provider = Some(job.route.provider.to_string());
    event.model = Some(job.route.model.clone());
    event.upstream_model = Some(job.route.upstream_model.clone());
}

/// Notes in an event that its request was refused now.
pub(crate) fn refused(shared: &Shared, mut event: Box<UsageEvent>, refusal: &Refusal) -> UsageEvent {
    event::refuse(&mut event, refusal);
    event::end(shared, &mut event);
    *event
}
