//! May they: the permission that the route asks for, then what the body asks for.

use std::{net::IpAddr, task::Poll};

use bytes::Bytes;
use tollgate_domain::{
    Permission, UsageEvent,
    event::{MAX_SHORT_TEXT_BYTES, bounded},
};

use crate::{
    BodyError, Call, Caller, Endpoint, Line, Refusal, event, limit, line::Refused, reply::Metered,
    request::Request, verify::Question,
};

/// A caller who may ask this, and what is asked. Only authorisation makes one.
pub(crate) struct Grant {
    pub caller: Caller,
    /// Boxed: it is long, and goes from step to step.
    pub event: Box<UsageEvent>,
    /// A request that makes no sense counts like any other; it is refused when it has been counted.
    pub asked: Result<Asked, Refusal>,
}

/// What is asked for.
pub(crate) enum Asked {
    /// The models that the caller may name.
    Models,
    /// A completion.
    Completion(Endpoint, Box<Request>),
    /// To count a request elsewhere that used so many tokens.
    Verification { tokens: u64 },
}

impl Line {
    pub(crate) async fn authenticate(&self, call: &Call) -> Result<Caller, Refused> {
        Ok(self.shared.authenticator.caller_of(&call.credential, call.ip).await?)
    }

    /// # Errors
    /// A 403, which leaves its event and counts nothing; or what became of a body that never came whole,
    /// which leaves nothing.
    pub(crate) async fn authorise(&self, caller: Caller, call: Call) -> Result<Grant, Refused> {
        let mut event = event::begin(&self.shared, &caller, &call.origin());
        let endpoint = call.endpoint;
        if let Some(refusal) = forbidden(&caller, endpoint.permissions(), call.ip) {
            return Err(self.forbid(&caller, event, refusal).await);
        }
        let mut body = call.body;
        let (body, waited) = match futures::poll!(&mut body) {
            Poll::Ready(body) => (body, false),
            Poll::Pending => (body.await, true),
        };
        let asked = match body {
            Ok(body) => {
                event.request_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
                read(endpoint, &body)
            }
            Err(error) => Err(refusal_of(error)?),
        };
        let mut caller = caller;
        if waited {
            // The key may have been revoked or narrowed meanwhile.
            caller = self.shared.authenticator.caller_of(&call.credential, call.ip).await?;
            if let Some(refusal) = forbidden(&caller, endpoint.permissions(), call.ip) {
                return Err(self.forbid(&caller, event, refusal).await);
            }
        }
        if let Some(refusal) = self.forbidden_model(&caller, &asked) {
            return Err(self.forbid(&caller, event, refusal).await);
        }
        Ok(Grant { caller, event, asked })
    }

    /// The same for a verification that counts `tokens`.
    ///
    /// # Errors
    /// A 403, which leaves its event and counts nothing.
    pub(crate) async fn authorise_verification(
        &self,
        caller: Caller,
        question: &Question,
        tokens: u64,
    ) -> Result<Grant, Refused> {
        let mut event = event::begin(&self.shared, &caller, &question.origin());
        event.model = question.model.as_deref().map(|model| bounded(model, MAX_SHORT_TEXT_BYTES));
        event.params = question.params();
        match may_not(&caller, question) {
            Some(refusal) => Err(self.forbid(&caller, event, refusal).await),
            None => Ok(Grant { caller, event, asked: Ok(Asked::Verification { tokens }) }),
        }
    }

    /// Why the key may not ask the model that the request names, or that is asked where it names none.
    fn forbidden_model(&self, caller: &Caller, asked: &Result<Asked, Refusal>) -> Option<Refusal> {
        if caller.key.allowed_models.is_empty() {
            return None;
        }
        let Ok(Asked::Completion(_, request)) = asked else { return None };
        let named = request.model.as_deref();
        // What cannot be routed is refused when it has been counted.
        let default =
            || self.shared.catalogue.route(caller.key.environment, None).ok().map(|route| route.model);
        let model = named.map(str::to_owned).or_else(default)?;
        (!caller.key.may_ask(&model)).then_some(Refusal::ModelNotAllowed(model))
    }

    async fn forbid(&self, caller: &Caller, mut event: Box<UsageEvent>, refusal: Refusal) -> Refused {
        let ask = limit::ask(&self.shared, caller, event.time);
        let (readings, quota) = self.shared.meter.read(&ask).await;
        event::refuse(&mut event, &refusal);
        event::end(&self.shared, &mut event);
        self.shared.recorder.note(*event);
        Refused { refusal, metered: Some(Metered { readings, quota }) }
    }
}

/// Why the caller may not do what the question is about.
pub(crate) fn may_not(caller: &Caller, question: &Question) -> Option<Refusal> {
    let model = || question.model.as_ref().filter(|model| !caller.key.may_ask(model));
    forbidden(caller, question.permission.as_slice(), question.ip)
        .or_else(|| model().map(|model| Refusal::ModelNotAllowed(model.clone())))
}

/// Why the key may not come here at all.
fn forbidden(caller: &Caller, asked: &[Permission], from: Option<IpAddr>) -> Option<Refusal> {
    if !caller.key.may_be_used_from(from) {
        return Some(Refusal::IpNotAllowed);
    }
    missing(caller, asked).map(Refusal::PermissionDenied)
}

/// The permission that the key lacks, if it has none of those of which one is `asked` for.
fn missing(caller: &Caller, asked: &[Permission]) -> Option<Permission> {
    let held = asked.iter().any(|permission| caller.may(permission));
    asked.first().filter(|_| !held).cloned()
}

fn read(endpoint: Endpoint, body: &Bytes) -> Result<Asked, Refusal> {
    match endpoint {
        Endpoint::Models => Ok(Asked::Models),
        Endpoint::ChatCompletions | Endpoint::LlmCompletion => {
            Ok(Asked::Completion(endpoint, Box::new(Request::read(endpoint, body)?)))
        }
    }
}

/// The refusal that goes on to be counted.
///
/// # Errors
/// The refusal of what counts nothing.
fn refusal_of(error: BodyError) -> Result<Refusal, Refusal> {
    match error {
        BodyError::TooLarge(limit) => Ok(Refusal::TooLarge(limit)),
        BodyError::TooSlow => Ok(Refusal::TooSlow),
        BodyError::Broken => Ok(Refusal::Malformed("its encoding is broken".to_owned())),
        BodyError::NotJson => Ok(Refusal::NotJson),
        // Half a request is none, and nobody is there to be answered.
        BodyError::HalfSent => Err(Refusal::Malformed("it broke off".to_owned())),
        BodyError::NoRoom => Err(Refusal::Overloaded),
    }
}
