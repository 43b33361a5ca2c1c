//! What another service asks about the credential that its own caller presented.
//!
//! The steps are the line's: who is it, may they; and where the question has a cost, limit, reserve, settle and record
//! as for a request that is served here. What is missing is the way to a provider.

use std::{net::IpAddr, sync::Arc};

use futures::channel::oneshot;
use serde::Serialize;
use tollgate_domain::{ApiKey, Environment, KeyId, Permission, Permissions, RequestType, User};
use tollgate_usage::Ask;

use crate::{
    Caller, Line, Refusal, Reply,
    authorise::may_not,
    call::Origin,
    limit,
    line::{Counted, Refused, count_refusal},
    reply::{Metered, ReplyTo},
};

/// The most tokens that a question may count.
pub const MAX_COST: u64 = 1_000_000_000_000;

/// Whose credential it is.
#[derive(Clone)]
pub enum Subject {
    /// Whoever has this key: its text as presented.
    Key(String),
    /// A user by an access token that was found good, and all that it allows.
    Session(Arc<User>, Permissions),
}

/// A question about a credential.
#[derive(Clone)]
pub struct Question {
    /// The credential.
    pub subject: Subject,
    /// The environment of whoever asks: with a test key, live credentials are nobody's.
    pub by: Environment,
    /// What the service is about to do for it.
    pub permission: Option<Permission>,
    /// The public name of the model that it is about to ask for it.
    pub model: Option<String>,
    /// Tokens to count, beside one request; at most [`MAX_COST`]. Without it nothing counts.
    pub cost: Option<u64>,
    /// From where it was presented to the service.
    pub ip: Option<IpAddr>,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The program that asks.
    pub user_agent: Option<String>,
}

/// What is to be said of a credential: that it is good for what was asked, or why not.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Why not.
    pub refusal: Option<Refusal>,
    /// The key, where there is one: for an access token, what stands in its place.
    pub key: Option<Arc<ApiKey>>,
    /// Its user, where both are good.
    pub user: Option<Arc<User>>,
    /// How windows and quota stand, where both are good.
    pub metered: Option<Metered>,
}

impl Question {
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin {
            path: "/api/v1/keys/verify",
            method: "POST",
            request_type: RequestType::default(),
            request_id: &self.request_id,
            ip: self.ip,
            user_agent: self.user_agent.as_deref(),
        }
    }

    /// Its parameters, for the usage event: a JSON object.
    pub(crate) fn params(&self) -> String {
        #[derive(Serialize)]
        struct Params {
            cost: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            permission: Option<String>,
        }
        let permission = self.permission.as_ref().map(ToString::to_string);
        serde_json::to_string(&Params { cost: self.cost, permission }).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl Line {
    /// Answers a question. To be run as a task of its own, as [`Line::run`]: whoever asks may go away, and what was
    /// counted is recorded all the same.
    ///
    /// # Errors
    /// A refusal of whoever asks: a 503 where it cannot be told now, or a 500.
    pub async fn verify(self, question: Question) -> Result<Verdict, Refusal> {
        let _counted = Counted::new();
        let mut verdict = Verdict::default();
        match self.judge(question, &mut verdict).await {
            Ok(metered) => verdict.metered = Some(metered),
            Err(Refused { refusal, metered }) => {
                count_refusal(&refusal);
                if refusal.status() >= 500 {
                    return Err(refusal);
                }
                (verdict.refusal, verdict.metered) = (Some(refusal), metered);
            }
        }
        Ok(verdict)
    }

    async fn judge(&self, question: Question, verdict: &mut Verdict) -> Result<Metered, Refused> {
        let shared = &self.shared;
        let key = self.key_of(&question).await?;
        verdict.key = Some(Arc::clone(&key));
        let caller = match &question.subject {
            Subject::Key(_) => shared.authenticator.admit(key).await?,
            Subject::Session(user, _) => Caller { key, user: Arc::clone(user) },
        };
        verdict.user = Some(Arc::clone(&caller.user));
        // Before a cost is counted as well: a refusal then tells of a quota that nobody had looked up yet.
        let standing = self.standing(&limit::ask(shared, &caller, shared.clock.now())).await?;
        let Some(tokens) = question.cost else {
            return match may_not(&caller, &question) {
                Some(refusal) => Err(Refused { refusal, metered: Some(standing) }),
                None => Ok(standing),
            };
        };
        self.count(caller, &question, tokens).await
    }

    /// The key that the question is about; for an access token, what stands in its place.
    async fn key_of(&self, question: &Question) -> Result<Arc<ApiKey>, Refusal> {
        let key = match &question.subject {
            Subject::Key(text) => self.shared.authenticator.find(text, question.ip).await?,
            Subject::Session(user, permissions) => Arc::new(of_sessions(user, permissions.clone())),
        };
        let beyond = question.by == Environment::Test && key.environment != Environment::Test;
        if beyond { Err(Refusal::UnknownKey) } else { Ok(key) }
    }

    /// How windows and quota stand. A user whom the meter does not know yet is looked up.
    async fn standing(&self, ask: &Ask) -> Result<Metered, Refusal> {
        let (readings, quota) = self.shared.meter.read(ask).await;
        if quota.is_some() {
            return Ok(Metered { readings, quota });
        }
        self.seed(ask.scope, ask.quota.month).await?;
        let (readings, quota) = self.shared.meter.read(ask).await;
        Ok(Metered { readings, quota })
    }

    /// Counts one request and so many tokens, as for one that is served here.
    async fn count(&self, caller: Caller, question: &Question, tokens: u64) -> Result<Metered, Refused> {
        let grant = self.authorise_verification(caller, question, tokens).await?;
        let pass = self.limit(grant);
        let hold = self.reserve(pass).await?;
        let (reply, answered) = oneshot::channel();
        self.carry_out(hold, ReplyTo(reply)).await;
        match answered.await {
            Ok(Reply::Whole { metered, .. }) => Ok(metered),
            Ok(Reply::Refused { refusal, metered }) => Err(Refused { refusal: *refusal, metered }),
            Ok(Reply::Stream { .. }) | Err(oneshot::Canceled) => Err(Refusal::Internal.into()),
        }
    }
}

/// What stands in a key's place for an access token of `user`: a live key without bounds of its own.
fn of_sessions(user: &User, permissions: Permissions) -> ApiKey {
    ApiKey {
        permissions,
        created_at: user.created_at,
        ..ApiKey::blank(KeyId::of_sessions(user.id), user.id, user.updated_at)
    }
}

#[cfg(test)]
mod tests;
