//! The meter of one server: counters in this process's memory, each user's under a lock of its own shard.

mod account;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use tollgate_domain::{Month, quota::QuotaState};
use tollgate_store::SavedWindows;

use crate::{Admission, Ask, Denied, Meter, Outcome, Readings, Scope, Ticket};
use account::Account;

/// Locks over which users are spread.
const SHARDS: usize = 256;

/// Counters in memory. What was counted is never forgotten while the process runs.
pub struct MemoryMeter {
    shards: Vec<Mutex<HashMap<Scope, Account>>>,
    hasher: RandomState,
}

impl MemoryMeter {
    /// A meter that has counted nothing.
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Counts what earlier processes admitted with a key. To be called before the first admission, and with nothing
    /// that was admitted far ahead of the present time (`Windows::are_far_ahead`): it would hide what comes.
    pub fn restore(&self, saved: &SavedWindows) {
        let scope = Scope { user: saved.user_id, environment: saved.environment };
        self.with(scope, |account| account.restore(saved.api_key_id, &saved.windows));
    }

    /// Tokens held and requests running, over all users: 0 and 0 when nothing is under way.
    pub fn open(&self) -> (u64, u64) {
        self.shards.iter().fold((0, 0), |(held, running), shard| {
            lock(shard).values().fold((held, running), |(held, running), account| {
                let (more_held, more_running) = account.open();
                (held.saturating_add(more_held), running.saturating_add(more_running))
            })
        })
    }

    fn with<T>(&self, scope: Scope, each: impl FnOnce(&mut Account) -> T) -> T {
        let number = usize::try_from(self.hasher.hash_one(scope) >> 32).unwrap_or(0) % SHARDS;
        each(lock(&self.shards[number]).entry(scope).or_default())
    }
}

impl Default for MemoryMeter {
    fn default() -> Self {
        Self::new()
    }
}

/// A poisoned lock's counters are whole: nothing in an account's methods panics half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter for MemoryMeter {
    fn admit<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admission, Denied>> {
        let decision = self.with(ask.scope, |account| account.admit(ask));
        std::future::ready(decision).boxed()
    }

    fn read<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, (Readings, Option<QuotaState>)> {
        let standing = self.with(ask.scope, |account| (account.read(ask), account.quota(&ask.quota)));
        std::future::ready(standing).boxed()
    }

    fn seed(&self, scope: Scope, month: Month, used: u64) {
        self.with(scope, |account| account.seed(month, used));
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) -> (u64, u64) {
        self.with(ticket.scope, |account| account.settle(&ticket, outcome))
    }

    fn release(&self, ticket: Ticket) {
        let nothing = Outcome { used: 0, counts: false };
        self.with(ticket.scope, |account| account.settle(&ticket, nothing));
    }
}

#[cfg(test)]
mod tests;
