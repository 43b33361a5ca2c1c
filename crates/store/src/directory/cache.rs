//! A bounded map in shards, whose fills are kept only if nothing was removed since they were asked for.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

const SHARDS: usize = 64;

pub struct Cache<K, V> {
    shards: Vec<Mutex<HashMap<K, V>>>,
    hasher: RandomState,
    generation: AtomicU64,
    has_lost: AtomicBool,
    max_per_shard: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    pub fn new(max_entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            generation: AtomicU64::new(0),
            has_lost: AtomicBool::new(false),
            max_per_shard: max_entries.div_ceil(SHARDS),
        }
    }

    /// To be read before the store is asked, and given to [`Cache::insert`] with the answer.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.shard(key).get(key).cloned()
    }

    /// Keeps `value` unless something was removed since `generation`; whether it is kept. A full shard
    /// loses some entry or other.
    pub fn insert(&self, key: K, value: V, generation: u64) -> bool {
        self.insert_with(key, generation, |_| value)
    }

    /// The same with what `value` makes of what is there.
    pub fn insert_with(&self, key: K, generation: u64, value: impl FnOnce(Option<&V>) -> V) -> bool {
        let mut shard = self.shard(&key);
        // Removals raise the generation under the same lock, so none can come between.
        if self.generation() != generation {
            return false;
        }
        let full = shard.len() >= self.max_per_shard && !shard.contains_key(&key);
        if let Some(victim) = shard.keys().next().filter(|_| full).cloned() {
            shard.remove(&victim);
            self.has_lost.store(true, Ordering::SeqCst);
        }
        let value = value(shard.get(&key));
        shard.insert(key, value);
        true
    }

    /// Whether an entry ever had to make room for another.
    pub fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::SeqCst)
    }

    pub fn remove(&self, key: &K) {
        self.take(key);
    }

    pub fn take(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key);
        self.generation.fetch_add(1, Ordering::SeqCst);
        shard.remove(key)
    }

    /// Keeps only those entries that `keep` names.
    pub fn retain(&self, keep: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.generation.fetch_add(1, Ordering::SeqCst);
            shard.retain(|_, value| keep(value));
        }
    }

    pub fn clear(&self) {
        self.retain(|_| false);
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let number = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0) % SHARDS;
        lock(&self.shards[number])
    }
}

/// A poisoned lock's map is whole: every change to it is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_that_was_asked_for_before_a_removal_is_not_kept() {
        let cache = Cache::new(100);
        let asked = cache.generation();
        cache.remove(&1);
        assert!(!cache.insert(1, "stale", asked));
        assert_eq!(cache.get(&1), None);
        assert!(cache.insert(1, "fresh", cache.generation()));
        assert_eq!(cache.get(&1), Some("fresh"));
    }

    #[test]
    fn it_stays_within_its_bound() {
        let cache = Cache::new(SHARDS * 2);
        for key in 0..10_000 {
            cache.insert(key, key, cache.generation());
        }
        assert!(cache.len() <= SHARDS * 2);
    }
}
