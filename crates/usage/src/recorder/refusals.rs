//! Refusals of a key that come in masses become one event each few seconds.
//!
//! The first refusals of a key in a UTC minute are written as they are. What follows is gathered in the
//! first of them, which then stands for all, and is handed on soon enough for sums to lag by no more than
//! they may.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tollgate_domain::{KeyId, Time, UsageEvent};

/// Refusals of a key in a minute that are written as they are.
pub const AS_THEY_ARE: u32 = 60;
/// How long no refusal must have come for what was gathered to be handed on.
const QUIET: Duration = Duration::from_secs(1);
/// How long refusals are gathered at most.
const LONGEST: Duration = Duration::from_secs(4);
/// After so long without a refusal, the minute of the last one is over.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Locks over which keys are spread.
const SHARDS: usize = 64;
/// Keys of a shard whose refusals are counted; those of further keys are written as they are.
const MAX_KEYS: usize = 256;

/// Refusals by key.
pub struct Refusals {
    shards: Vec<Mutex<HashMap<KeyId, Counted>>>,
    closed: AtomicBool,
}

/// The refusals of one key.
struct Counted {
    minute: i64,
    /// In that minute.
    seen: u32,
    last: Instant,
    gathered: Option<Box<Gathered>>,
}

struct Gathered {
    /// The first, repeated as often as others came.
    event: UsageEvent,
    since: Instant,
    /// Whether its minute is over: nothing more goes in.
    over: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, closed: AtomicBool::new(false) }
    }
}

impl Refusals {
    /// Counts a refusal that happened just before `now`; gives what is to be written now: the refusal
    /// itself, what was gathered before it, or nothing yet.
    #[must_use = "what is given is written nowhere else"]
    pub fn note(&self, event: UsageEvent, now: Instant) -> Option<UsageEvent> {
        let mut shard = self.shard(event.api_key_id);
        // Under the lock, so that nothing is gathered after `drain` has passed.
        if self.closed.load(Ordering::SeqCst) {
            return Some(event);
        }
        let room = shard.len() < MAX_KEYS;
        match shard.entry(event.api_key_id) {
            Entry::Occupied(mut counted) => counted.get_mut().note(event, now),
            Entry::Vacant(place) => {
                if room {
                    place.insert(Counted {
                        minute: minute_of(event.time),
                        seen: 1,
                        last: now,
                        gathered: None,
                    });
                }
                Some(event)
            }
        }
    }

    /// What has been gathered long enough, to be written now. To be called several times a second; keys
    /// whose minute is over are forgotten.
    #[must_use = "what is given is written nowhere else"]
    pub fn due(&self, now: Instant) -> Vec<UsageEvent> {
        let mut due = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|_, counted| {
                due.extend(counted.due(now));
                counted.gathered.is_some() || now.saturating_duration_since(counted.last) < FORGOTTEN
            });
        }
        due
    }

    /// All that was gathered. Nothing is gathered afterwards: every refusal is written as it is.
    #[must_use = "what is given is written nowhere else"]
    pub fn drain(&self) -> Vec<UsageEvent> {
        self.closed.store(true, Ordering::SeqCst);
        let all = self.shards.iter().flat_map(|shard| std::mem::take(&mut *lock(shard)).into_values());
        all.filter_map(|counted| Some(counted.gathered?.event)).collect()
    }

    fn shard(&self, key: KeyId) -> MutexGuard<'_, HashMap<KeyId, Counted>> {
        // The last byte of a UUID of version 7 is random.
        let [.., last] = *key.as_uuid().as_bytes();
        lock(&self.shards[usize::from(last) % SHARDS])
    }
}

impl Counted {
    fn note(&mut self, event: UsageEvent, now: Instant) -> Option<UsageEvent> {
        let minute = minute_of(event.time);
        // One that comes late from a minute before counts in the present one.
        if minute > self.minute {
            (self.minute, self.seen) = (minute, 0);
            if let Some(gathered) = &mut self.gathered {
                gathered.over = true;
            }
        }
        (self.seen, self.last) = (self.seen.saturating_add(1), now);
        if self.seen <= AS_THEY_ARE {
            return Some(event);
        }
        if let Some(gathered) = self.gathered.as_mut().filter(|gathered| !gathered.over) {
            gathered.event.repeat = gathered.event.repeat.saturating_add(event.repeat);
            return None;
        }
        let first = Box::new(Gathered { event, since: now, over: false });
        self.gathered.replace(first).map(|before| before.event)
    }

    fn due(&mut self, now: Instant) -> Option<UsageEvent> {
        let quiet = now.saturating_duration_since(self.last) >= QUIET;
        let is_due = |gathered: &mut Box<Gathered>| {
            quiet || gathered.over || now.saturating_duration_since(gathered.since) >= LONGEST
        };
        self.gathered.take_if(is_due).map(|gathered| gathered.event)
    }
}

/// The UTC minute of a moment, counted from 1970.
const fn minute_of(time: Time) -> i64 {
    time.timestamp().div_euclid(60)
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
