//! An issuer's keys as they are remembered.
//!
//! They are fetched for the first token, again for one whose key is unknown but at most once a minute, and
//! hourly beside a token that needs no waiting. One fetch runs at a time, and who needs it waits for it. While the
//! issuer is away, what is known goes on for a day: a key that was withdrawn must end some time.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use chrono::TimeDelta;
use tollgate_domain::Time;

use crate::{
    Failure,
    discovery::{self, Place},
    fetch::{self, DEADLINE, Fetcher},
    key::{Algorithm, Key, KeySet},
};

/// The least time between two fetches.
const FETCHED_EVERY: TimeDelta = TimeDelta::seconds(60);
/// The same while nothing is known, so that an issuer that comes back is soon of use.
const TRIED_EVERY: TimeDelta = TimeDelta::seconds(10);
/// Keys older than this are fetched again while they go on.
const FRESH_FOR: TimeDelta = TimeDelta::hours(1);
/// Keys older than this are not used any more.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);
/// How long one waits for another's fetch: a little longer than it can take.
const PATIENCE: Duration = DEADLINE.saturating_add(Duration::from_secs(1));

/// What is known of an issuer's keys.
pub struct Keys {
    name: String,
    place: Place,
    fetcher: Arc<Fetcher>,
    state: Mutex<State>,
    fetched: Condvar,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    tried_at: Option<Time>,
    is_fetching: bool,
}

struct Held {
    keys: KeySet,
    fetched_at: Time,
}

impl State {
    /// The keys, if they may still be used.
    fn keys(&self, now: Time) -> Option<&Held> {
        self.held.as_ref().filter(|held| now - held.fetched_at < KEPT_FOR)
    }

    /// Whether a fetch may begin; it then counts as begun.
    fn begins(&mut self, now: Time) -> bool {
        let pause = if self.keys(now).is_some() { FETCHED_EVERY } else { TRIED_EVERY };
        let begins = !self.is_fetching && self.tried_at.is_none_or(|tried| now - tried >= pause);
        if begins {
            self.is_fetching = true;
            self.tried_at = Some(now);
        }
        begins
    }
}

impl Keys {
    /// Nothing is known yet of the issuer at `place`, which the log calls `name`.
    pub fn new(name: String, place: Place, fetcher: Arc<Fetcher>) -> Self {
        Self { name, place, fetcher, state: Mutex::default(), fetched: Condvar::new() }
    }

    /// The issuer's key of this name for this algorithm; waits for a fetch where one is needed and due.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where nothing is known of the issuer's keys.
    pub fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Time,
    ) -> Result<Option<Key>, Failure> {
        let mut state = self.lock();
        loop {
            if let Some(held) = state.keys(now)
                && let Some(key) = held.keys.find(id, algorithm).cloned()
            {
                let is_old = now - held.fetched_at >= FRESH_FOR;
                if is_old && state.begins(now) {
                    drop(state);
                    self.fetch_beside(now);
                }
                return Ok(Some(key));
            }
            if state.begins(now) {
                drop(state);
                self.fetch(now);
                state = self.lock();
            } else if state.is_fetching {
                let waited = self.fetched.wait_timeout_while(state, PATIENCE, |state| state.is_fetching);
                let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                if timeout.timed_out() {
                    return Err(Failure::Unreachable);
                }
                state = after;
            } else {
                return if state.keys(now).is_some() { Ok(None) } else { Err(Failure::Unreachable) };
            }
        }
    }

    /// Fetches on a thread of its own.
    fn fetch_beside(self: &Arc<Self>, now: Time) {
        let keys = Arc::clone(self);
        let started = thread::Builder::new().name("issuer-keys".to_owned()).spawn(move || keys.fetch(now));
        if started.is_err() {
            self.lock().is_fetching = false;
        }
    }

    /// Fetches the keys; the fetch has begun by [`State::begins`].
    fn fetch(&self, now: Time) {
        let fetched = fetch::wait_for(discovery::keys(&self.fetcher, &self.place));
        let mut state = self.lock();
        state.is_fetching = false;
        match fetched {
            Ok(keys) => state.held = Some(Held { keys, fetched_at: now }),
            Err(why) => {
                tracing::warn!(issuer = self.name, %why, "the keys of an identity provider cannot be fetched");
            }
        }
        drop(state);
        self.fetched.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
