//! The guard.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::FutureExt;
use http::StatusCode;
use tokio::time::timeout;

use crate::{
    ask::{Asker, Lost},
    cache::Cache,
    caller::Caller,
    credential::Credential,
    denied::{Denied, Misconfigured, Refusal, Unavailable},
    flight::Flights,
    question::{MAX_MODEL_BYTES, Question},
    settings::{Settings, SettingsError},
    wire::{self, Answer},
};

/// The most tokens that one charge may name: no quota is larger.
pub const MAX_COST_TOKENS: u64 = 1_000_000_000_000;
/// How often, at most, the log says that nobody can be admitted until somebody puts something right.
const COMPLAINT_EVERY: Duration = Duration::from_secs(10);

/// Asks Tollgate about callers. Make one for the whole process: clones share what is remembered.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    asker: Asker,
    cache: Cache,
    flights: Arc<Flights>,
    timeout: Duration,
    complained: Mutex<Option<Instant>>,
}

impl Guard {
    /// A guard. It asks nothing yet; questions must be asked within a Tokio runtime.
    ///
    /// # Errors
    /// [`SettingsError`] says which setting cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self(Arc::new(Inner {
            asker: Asker::new(&settings)?,
            cache: Cache::new(random()?, settings.cache),
            flights: Arc::default(),
            timeout: settings.timeout,
            complained: Mutex::new(None),
        })))
    }

    /// Whether `credential` is good for `question`. Counts nothing: neither full windows nor a spent quota refuse.
    /// The answer may be one that was given within [`Settings::cache`].
    ///
    /// # Errors
    /// [`Denied`]: whoever it is, is not admitted.
    pub async fn check(&self, credential: &Credential, question: &Question) -> Result<Arc<Caller>, Denied> {
        if let Some(refusal) = hopeless(credential, question) {
            return Err(Denied::Refused(refusal));
        }
        let inner = &self.0;
        if inner.cache.life().is_zero() {
            let body = wire::body(credential, question, None)?;
            return inner.patiently(inner.asker.ask(body, Lost::AskAgain)).await;
        }
        let key = inner.cache.key(credential, question);
        let now = Instant::now();
        if let Some(answer) = inner.cache.get(&key, now) {
            return answer;
        }
        let body = wire::body(credential, question, None)?;
        let flight = inner.flights.join(key, now, inner.cache.life(), || {
            let inner = Arc::clone(inner);
            async move {
                let answer = inner.asker.ask(body, Lost::AskAgain).await;
                inner.cache.keep(key, &answer, now, Instant::now());
                answer
            }
            .boxed()
        });
        // Each waits for as long as it may, whoever asked first.
        inner.patiently(flight).await
    }

    /// The same, and counts one request and `cost_tokens` tokens (0 to [`MAX_COST_TOKENS`]) in the caller's windows and quota.
    /// Never remembered, never repeated.
    ///
    /// # Errors
    /// [`Denied`]: whoever it is, is not admitted. [`Denied::Refused`] has counted nothing, but for tests where the key
    /// was for tests and [`Settings::test_keys`] takes none; [`Denied::Unavailable`] may have.
    pub async fn charge(
        &self,
        credential: &Credential,
        question: &Question,
        cost_tokens: u64,
    ) -> Result<Arc<Caller>, Denied> {
        if let Some(refusal) = hopeless(credential, question) {
            return Err(Denied::Refused(refusal));
        }
        if cost_tokens > MAX_COST_TOKENS {
            let detail = "no quota is as large";
            let refusal = Refusal::here("insufficient_quota", detail, StatusCode::TOO_MANY_REQUESTS);
            return Err(Denied::Refused(refusal));
        }
        let body = wire::body(credential, question, Some(cost_tokens))?;
        self.0.patiently(self.0.asker.ask(body, Lost::GiveUp)).await
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl Inner {
    async fn patiently(&self, asking: impl Future<Output = Answer>) -> Answer {
        let answer =
            timeout(self.timeout, asking).await.unwrap_or(Err(Denied::Unavailable(Unavailable::TimedOut)));
        if let Err(Denied::Misconfigured(what)) = &answer {
            self.complain(*what);
        }
        answer
    }

    /// Says it in the log, where somebody may see it: callers are told nothing of it.
    fn complain(&self, what: Misconfigured) {
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if last.is_none_or(|last| now.saturating_duration_since(last) >= COMPLAINT_EVERY) {
            *last = Some(now);
            drop(last);
            tracing::error!("nobody is admitted: {what}");
        }
    }
}

/// What Tollgate would refuse, or not even take, whatever it knows.
fn hopeless(credential: &Credential, question: &Question) -> Option<Refusal> {
    let is_none =
        |model: &String| !(1..=MAX_MODEL_BYTES).contains(&model.len()) || model.chars().any(char::is_control);
    let no_model = question.model.as_ref().is_some_and(is_none);
    let refusal = Refusal::here("model_not_allowed", "there is no model of that name", StatusCode::FORBIDDEN);
    credential.refusal().or_else(|| no_model.then_some(refusal))
}

/// The secret under which answers are remembered.
#[expect(clippy::disallowed_methods, reason = "whoever links this hands no randomness in")]
fn random() -> Result<[u8; 32], SettingsError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_error| SettingsError::Machine("randomness"))?;
    Ok(secret)
}
