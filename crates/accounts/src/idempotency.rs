//! Calls that carry an `Idempotency-Key`: what they do is done once, and answered again for a day.
//!
//! The transaction of what a call does marks its run as done ([`Client::run`]), so that no death in between and no
//! second run does it twice. Nothing of a call is kept in plain: not its key, not its body, not its answer.

use chrono::TimeDelta;
use tollgate_domain::{RunId, Time, UserId};
use tollgate_store::{NewRun, RunBegun, StoreError};
use zeroize::Zeroizing;

use crate::{Accounts, AccountsError, Actor, By, Client, pieces, session::Identity};

/// The most characters of a key.
pub const MAX_KEY_CHARS: usize = 255;
/// How long an answer is told again.
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// The most calls of a user that are known at once.
pub const MAX_CALLS: u32 = 10_000;
/// How long a run has its call for itself: longer than it can take, and of no matter to what it does, which a run that
/// was taken over cannot commit.
const RUNNING: TimeDelta = TimeDelta::seconds(30);
/// The longest answer that is kept, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What keeps a call's keyed hash apart from every other kind's.
const CALL_PURPOSE: &str = "idempotent call";
/// The same of what it asks for.
const ASKED_PURPOSE: &str = "idempotent call asks for";
/// What binds a sealed answer to its use, before the hash of its call.
const ANSWER_PURPOSE: &str = "idempotent answer";
/// The most calls that are forgotten at once.
const PIECE: u32 = 500;
/// The most pieces of one step.
const MAX_PIECES: u32 = 100;

/// A call that carries a key. Whose it is, and by which credential, belongs to it: two keys of a user have nothing of
/// each other's.
pub struct KeyedCall {
    /// The key, as it was sent.
    pub key: String,
    /// The method.
    pub method: String,
    /// The path, whichever of its names was used.
    pub path: String,
    /// The query.
    pub query: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// What a call was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// What a call is answered, and since when.
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// Whether it was given before.
    pub again: bool,
}

/// Who calls, as far as a run of a call needs to know.
pub trait Caller {
    /// Who the audit log names.
    fn by(&self) -> By;

    /// The same within a run, which whatever is done then marks as done.
    #[must_use]
    fn within(self, run: RunId) -> Self;
}

impl Caller for Actor {
    fn by(&self) -> By {
        Self::by(self)
    }

    fn within(self, run: RunId) -> Self {
        Self { client: Client { run: Some(run), ..self.client }, ..self }
    }
}

impl Caller for Identity {
    fn by(&self) -> By {
        Self::by(self)
    }

    fn within(self, run: RunId) -> Self {
        Self { client: Client { run: Some(run), ..self.client }, ..self }
    }
}

impl Accounts {
    /// Does `work` and keeps its answer, or gives the answer that was kept. Only what was done is kept: where `work`
    /// fails, the call can be made anew under the same key.
    ///
    /// # Errors
    /// [`AccountsError::IdempotencyInProgress`], [`AccountsError::IdempotencyKeyReused`],
    /// [`AccountsError::AnswerLost`], [`AccountsError::TooManyIdempotencyKeys`], those of `work`, or the store's.
    pub fn once<W: Caller>(
        &self,
        call: &KeyedCall,
        who: W,
        work: impl FnOnce(&W) -> Result<Answer, AccountsError>,
    ) -> Result<Answered, AccountsError> {
        let now = self.now();
        let by = who.by();
        let user = by.user.ok_or(AccountsError::Internal("a call with a key is nobody's"))?;
        let run = self.new_run(call, &by, user, now);
        match self.stores.idempotency.begin(&run)? {
            RunBegun::Mine => {}
            RunBegun::Running => return Err(AccountsError::IdempotencyInProgress),
            RunBegun::Other => return Err(AccountsError::IdempotencyKeyReused),
            RunBegun::Lost => return Err(AccountsError::AnswerLost),
            RunBegun::TooMany { until } => {
                let retry_after = u64::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
                return Err(AccountsError::TooManyIdempotencyKeys { max: MAX_CALLS, retry_after });
            }
            RunBegun::Answered { hash, answer } => {
                let answer = self.opened_answer(user, &hash, &answer).ok_or(AccountsError::AnswerLost)?;
                return Ok(Answered { answer, again: true });
            }
        }
        match work(&who.within(run.id)) {
            Ok(answer) => {
                self.keep_answer(&run, &answer);
                Ok(Answered { answer, again: false })
            }
            Err(error) => {
                // Without a verdict, something may have been done.
                self.release(run.id, !is_without_verdict(&error));
                Err(error)
            }
        }
    }

    /// Forgets, in bounded pieces, calls that are answered again no more. Gives how many; a step of a background job.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_idempotent_calls(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || self.stores.idempotency.forget(now, PIECE))
    }

    pub(crate) fn new_run(&self, call: &KeyedCall, by: &By, user: UserId, now: Time) -> NewRun {
        let KeyedCall { key, method, path, query, body } = call;
        let caller = by.actor.to_string();
        let named = [&caller, method, path, key].map(|part| part.as_bytes());
        let asked = [query.as_bytes(), body];
        let hashes = |purpose, parts: &[&[u8]]| self.settings.pepper.token_hashes(purpose, &joined(parts));
        NewRun {
            id: RunId::new(now, &*self.random),
            user,
            hashes: hashes(CALL_PURPOSE, &named),
            // A body may hold a password: its hash is as good as useless without the pepper.
            fingerprints: hashes(ASKED_PURPOSE, &asked),
            now,
            running_until: now + RUNNING,
            expires_at: now + LIFETIME,
            max_of_user: MAX_CALLS,
        }
    }

    /// Keeps what was done; where that fails, the caller is answered all the same, this once.
    fn keep_answer(&self, run: &NewRun, answer: &Answer) {
        let kept = self.sealed_answer(run, answer).and_then(|sealed| {
            let kept = self.stores.idempotency.keep(run.id, &sealed)?;
            if kept { Ok(()) } else { Err(AccountsError::Internal("the call is known no more")) }
        });
        if let Err(error) = kept {
            tracing::warn!(cause = ?error, "an answer could not be kept for who asks again");
        }
    }

    /// Gives up a run; where that fails, the call is open again as soon as the run's time is over.
    fn release(&self, run: RunId, even_if_done: bool) {
        if let Err(error) = self.stores.idempotency.release(run, even_if_done) {
            tracing::warn!(cause = ?error, "a call that failed could not be opened again");
        }
    }

    fn sealed_answer(&self, run: &NewRun, answer: &Answer) -> Result<Vec<u8>, AccountsError> {
        if answer.body.len() > MAX_ANSWER_BYTES {
            return Err(AccountsError::Internal("an answer is too long to be kept"));
        }
        let hash = run.hashes.first().ok_or(AccountsError::Internal("a call has no hash"))?;
        let mut plain = Zeroizing::new(answer.status.to_be_bytes().to_vec());
        plain.extend_from_slice(&answer.body);
        self.seal.seal(&purpose(hash), run.user, &plain, &*self.random)
    }

    fn opened_answer(&self, user: UserId, hash: &[u8; 32], sealed: &[u8]) -> Option<Answer> {
        let plain = self.seal.open(&purpose(hash), user, sealed)?;
        let (status, body) = plain.split_first_chunk()?;
        Some(Answer { status: u16::from_be_bytes(*status), body: Zeroizing::new(body.to_vec()) })
    }
}

/// What binds an answer to its call: copied to another's row, it does not open.
fn purpose(hash: &[u8; 32]) -> String {
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ANSWER_PURPOSE} {hash}")
}

/// The parts with their lengths before them: none can take over from another.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::new());
    for part in parts {
        text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}

/// Whether an error says nothing of what was done.
const fn is_without_verdict(error: &AccountsError) -> bool {
    matches!(
        error,
        AccountsError::Store(StoreError::Unavailable(_) | StoreError::Corrupt { .. })
            | AccountsError::Internal(_)
    )
}
