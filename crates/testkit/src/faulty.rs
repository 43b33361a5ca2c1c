//! Real stores that can be told to fail.

mod attempt;
mod audit;
mod change;
mod device;
mod erasure;
mod event;
mod external_identity;
mod idempotency;
mod key;
mod mail;
mod mail_token;
mod open_request;
mod outbox;
mod second_factor;
mod session;
mod spool;
mod usage;
mod user;
mod web_session;
mod windows;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use tokio::sync::watch;
use tollgate_store::{SpoolStore, StoreError, Stores};

use crate::patience::{PATIENCE, until};

/// Every method that can be told to fail.
const METHODS: &[&str] = &[
    "users.create",
    "users.by_id",
    "users.by_email",
    "users.credentials",
    "users.by_external_id",
    "users.edit",
    "users.set_password",
    "users.change_password",
    "users.delete",
    "users.import",
    "users.list",
    "keys.create",
    "keys.by_hash",
    "keys.by_id",
    "keys.list",
    "keys.edit",
    "keys.revoke",
    "keys.revoke_descendants",
    "keys.rotate",
    "keys.rehash",
    "keys.editor",
    "keys.create_editor",
    "keys.import",
    "keys.ids_by_prefix",
    "second_factors.of_user",
    "second_factors.propose",
    "second_factors.enable",
    "second_factors.challenge",
    "second_factors.challenged",
    "second_factors.sign_in",
    "second_factors.confirm",
    "second_factors.reset",
    "second_factors.forget",
    "sessions.open",
    "sessions.by_id",
    "sessions.by_refresh",
    "sessions.rotate",
    "sessions.list",
    "sessions.end",
    "sessions.end_all",
    "sessions.forget",
    "devices.begin",
    "devices.poll",
    "devices.find",
    "devices.decide",
    "devices.forget",
    "web_sessions.open",
    "web_sessions.by_hash",
    "attempts.begin",
    "attempts.count_address",
    "attempts.clear",
    "attempts.forget",
    "audit.note",
    "audit.list",
    "audit.rows",
    "audit.head",
    "audit.erase",
    "erasures.due",
    "erasures.sweep",
    "outbox.waiting",
    "outbox.expiring",
    "outbox.tell_expiring",
    "outbox.forget",
    "idempotency.begin",
    "idempotency.keep",
    "idempotency.release",
    "idempotency.forget",
    "changes.latest",
    "changes.since",
    "events.open_stream",
    "events.append",
    "events.mark",
    "events.fold",
    "events.retire_streams",
    "open_requests.keep",
    "open_requests.kept",
    "open_requests.forget",
    "external_identities.user",
    "external_identities.create_user",
    "external_identities.link",
    "external_identities.list",
    "spool.append",
    "spool.oldest",
    "spool.remove",
    "spool.reject",
    "spool.depth",
    "spool.keep",
    "spool.kept",
    "spool.forget",
    "usage.quota_used",
    "usage.stats",
    "usage.key_totals",
    "mail_tokens.issue",
    "mail_tokens.by_hash",
    "mail_tokens.sign_up",
    "mail_tokens.reset_password",
    "mail_tokens.confirm",
    "mail_tokens.disown",
    "mail_tokens.forget",
    "mails.queue",
    "mails.take",
    "mails.remove",
    "mails.retry",
    "mails.waiting",
    "windows.save",
    "windows.load",
    "usage.events",
];

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `Unavailable`, and nothing was done.
    FailBefore,
    /// `Unavailable`, although it was done: the commit's answer got lost.
    FailAfter,
    /// `Rejected`, and nothing was done: these values are poison.
    Reject,
    /// It does not return until [`Faulty::release`], and is done then. Fails after [`PATIENCE`].
    Hang,
}

/// The switchboard of stores that can be told to fail.
///
/// Methods are named as `keys.by_hash`, `keys.*` or `*`; of several injections that fit, the latest counts.
#[derive(Clone)]
pub struct Faulty {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    released: Condvar,
    hanging: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    injected: Vec<Injected>,
    calls: HashMap<&'static str, u64>,
    /// How often hanging calls were released: a call waits for the next time.
    releases: u64,
}

struct Injected {
    methods: String,
    fault: Fault,
    /// `None` for until cleared.
    times: Option<u32>,
}

/// A store that asks the switchboard before it does anything.
struct Wrapped<T: ?Sized> {
    faulty: Faulty,
    inner: Arc<T>,
}

impl Faulty {
    /// Wraps `stores`: the same, but they obey the switchboard. At first nothing fails.
    pub fn wrap(stores: &Stores) -> (Self, Stores) {
        let faulty = Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                released: Condvar::new(),
                hanging: watch::Sender::new(0),
            }),
        };
        let wrapped = Stores {
            users: faulty.around(&stores.users),
            keys: faulty.around(&stores.keys),
            sessions: faulty.around(&stores.sessions),
            changes: faulty.around(&stores.changes),
            events: faulty.around(&stores.events),
            open_requests: faulty.around(&stores.open_requests),
            usage: faulty.around(&stores.usage),
            windows: faulty.around(&stores.windows),
            devices: faulty.around(&stores.devices),
            web_sessions: faulty.around(&stores.web_sessions),
            external_identities: faulty.around(&stores.external_identities),
            second_factors: faulty.around(&stores.second_factors),
            attempts: faulty.around(&stores.attempts),
            audit: faulty.around(&stores.audit),
            erasures: faulty.around(&stores.erasures),
            outbox: faulty.around(&stores.outbox),
            idempotency: faulty.around(&stores.idempotency),
            mails: faulty.around(&stores.mails),
            mail_tokens: faulty.around(&stores.mail_tokens),
        };
        (faulty, wrapped)
    }

    /// The same around a spool, on the same switchboard.
    pub fn wrap_spool(&self, spool: &Arc<dyn SpoolStore>) -> Arc<dyn SpoolStore> {
        self.around(spool)
    }

    /// Calls of `methods` go wrong until [`clear`](Self::clear).
    ///
    /// # Panics
    /// Where there is no such method.
    pub fn inject(&self, methods: &str, fault: Fault) {
        self.push(methods, fault, None);
    }

    /// The next `times` calls of `methods` go wrong.
    ///
    /// # Panics
    /// Where there is no such method.
    pub fn inject_times(&self, methods: &str, fault: Fault, times: u32) {
        self.push(methods, fault, Some(times));
    }

    /// Nothing goes wrong any more. Calls that hang stay so until released.
    pub fn clear(&self) {
        self.state().injected.clear();
    }

    /// Lets every call that hangs now go on.
    pub fn release(&self) {
        self.state().releases += 1;
        self.shared.released.notify_all();
    }

    /// Waits until `calls` calls hang at once.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub async fn await_hanging(&self, calls: usize) {
        until(self.shared.hanging.subscribe(), "calls that hang", |hanging| *hanging >= calls).await;
    }

    /// How often a method was called, whatever came of it.
    ///
    /// # Panics
    /// Where there is no such method.
    pub fn calls(&self, method: &str) -> u64 {
        assert!(METHODS.contains(&method), "no store has a method `{method}`");
        self.state().calls.get(method).copied().unwrap_or(0)
    }

    /// How often each method was called, whatever came of it.
    pub fn all_calls(&self) -> BTreeMap<&'static str, u64> {
        self.state().calls.iter().map(|(method, calls)| (*method, *calls)).collect()
    }

    fn push(&self, methods: &str, fault: Fault, times: Option<u32>) {
        assert!(METHODS.iter().any(|method| fits(methods, method)), "no store has methods like `{methods}`");
        self.state().injected.push(Injected { methods: methods.to_owned(), fault, times });
    }

    fn around<T: ?Sized>(&self, inner: &Arc<T>) -> Arc<Wrapped<T>> {
        Arc::new(Wrapped { faulty: self.clone(), inner: Arc::clone(inner) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call, and says how it goes wrong.
    fn begin(&self, method: &'static str) -> Option<Fault> {
        debug_assert!(METHODS.contains(&method), "`{method}` is missing from the list of methods");
        let mut state = self.state();
        *state.calls.entry(method).or_default() += 1;
        let place = state.injected.iter().rposition(|injected| fits(&injected.methods, method))?;
        let injected = &mut state.injected[place];
        let fault = injected.fault;
        if let Some(times) = &mut injected.times {
            *times -= 1;
            if *times == 0 {
                state.injected.remove(place);
            }
        }
        Some(fault)
    }

    fn hang(&self) -> Result<(), StoreError> {
        let state = self.state();
        let asked = state.releases;
        // Only now: whoever learns of it may release it at once.
        self.shared.hanging.send_modify(|hanging| *hanging += 1);
        let (state, waited) = self
            .shared
            .released
            .wait_timeout_while(state, PATIENCE, |state| state.releases == asked)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        self.shared.hanging.send_modify(|hanging| *hanging -= 1);
        if waited.timed_out() { Err(unavailable("it hung, and nobody released it")) } else { Ok(()) }
    }
}

impl<T: ?Sized> Wrapped<T> {
    /// Does `call`, or what the switchboard says instead.
    fn call<R>(
        &self,
        method: &'static str,
        call: impl FnOnce(&T) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        match self.faulty.begin(method) {
            None => call(&self.inner),
            Some(Fault::FailBefore) => Err(unavailable("it was told to fail before")),
            Some(Fault::FailAfter) => call(&self.inner).and(Err(unavailable("it was told to fail after"))),
            Some(Fault::Reject) => Err(StoreError::Rejected("it was told to reject".into())),
            Some(Fault::Hang) => self.faulty.hang().and_then(|()| call(&self.inner)),
        }
    }
}

fn fits(methods: &str, method: &str) -> bool {
    methods.strip_suffix('*').map_or(methods == method, |start| method.starts_with(start))
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::unavailable(why)
}

#[cfg(test)]
mod tests;
