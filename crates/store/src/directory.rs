//! The memory of keys, users and sessions: what the line reads instead of a database.
//!
//! Filled from the stores, emptied by changes. A fill is kept only if nothing was forgotten since it was
//! asked for, so a slow read can never bring a revoked key back. Bounded in entries' bytes; what was
//! counted lives elsewhere and is not lost when an entry goes.

mod cache;

use std::{collections::HashSet, sync::Arc};

use chrono::TimeDelta;
use tollgate_domain::{ApiKey, KeyHash, KeyId, Session, SessionId, Time, User, UserId};

use crate::{Change, ChangeListener, StoreError, Stores};
use cache::Cache;

/// How long an unknown key is remembered as unknown.
const UNKNOWN_FOR: TimeDelta = TimeDelta::seconds(1);
/// Bytes that an entry is reckoned at, bookkeeping included; texts in it are bounded.
const ENTRY_BYTES: usize = 1_024;

/// What the memory says without asking anybody.
#[derive(Debug, Clone)]
pub enum Lookup<T> {
    /// It is known.
    Known(Arc<T>),
    /// It was looked for a moment ago and is not there.
    Absent,
    /// The store must be asked.
    Ask,
}

/// A remembered answer of the store.
#[derive(Clone)]
enum Entry<T> {
    Known(Arc<T>),
    AbsentUntil(Time),
}

impl<T> Entry<T> {
    fn lookup(entry: Option<Self>, now: Time) -> Lookup<T> {
        match entry {
            Some(Self::Known(known)) => Lookup::Known(known),
            Some(Self::AbsentUntil(end)) if now < end => Lookup::Absent,
            Some(Self::AbsentUntil(_)) | None => Lookup::Ask,
        }
    }

    fn of(found: Option<&Arc<T>>, now: Time) -> Self {
        found.map_or_else(|| Self::AbsentUntil(now + UNKNOWN_FOR), |known| Self::Known(Arc::clone(known)))
    }
}

/// The memory of one process.
pub struct Directory {
    keys: Cache<KeyHash, Entry<ApiKey>>,
    /// The hashes of a key's secrets that are remembered: the present one, and those of a grace.
    hashes: Cache<KeyId, Arc<[KeyHash]>>,
    users: Cache<UserId, Entry<User>>,
    sessions: Cache<SessionId, Entry<Session>>,
}

impl Directory {
    /// An empty memory of at most about `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        // Keys, their hashes by id, users and sessions share the room alike.
        let entries = (max_bytes / ENTRY_BYTES / 4).max(1);
        Self {
            keys: Cache::new(entries),
            hashes: Cache::new(entries),
            users: Cache::new(entries),
            sessions: Cache::new(entries),
        }
    }

    /// The key whose secret has this hash, if remembered.
    pub fn key(&self, hash: &KeyHash, now: Time) -> Lookup<ApiKey> {
        Entry::lookup(self.keys.get(hash), now)
    }

    /// Reads the key whose secret has this hash, and remembers the answer.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is remembered then.
    pub fn load_key(
        &self,
        stores: &Stores,
        hash: &KeyHash,
        now: Time,
    ) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let (keys, hashes) = (self.keys.generation(), self.hashes.generation());
        let found = stores.keys.by_hash(hash)?.map(Arc::new);
        // The way from id to hash comes first: an entry that no change could find must never be there.
        let findable = found.as_ref().is_none_or(|key| {
            self.hashes.insert_with(key.id, hashes, |known: Option<&Arc<[KeyHash]>>| {
                known
                    .into_iter()
                    .flat_map(|known| known.iter())
                    .filter(|known| *known != hash)
                    .chain([hash])
                    .copied()
                    .collect()
            })
        });
        if findable {
            self.keys.insert(*hash, Entry::of(found.as_ref(), now), keys);
        }
        Ok(found)
    }

    /// The user of this id, if remembered.
    pub fn user(&self, id: UserId, now: Time) -> Lookup<User> {
        Entry::lookup(self.users.get(&id), now)
    }

    /// Reads the user of this id, and remembers the answer.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is remembered then.
    pub fn load_user(&self, stores: &Stores, id: UserId, now: Time) -> Result<Option<Arc<User>>, StoreError> {
        let generation = self.users.generation();
        let found = stores.users.by_id(id)?.map(Arc::new);
        self.users.insert(id, Entry::of(found.as_ref(), now), generation);
        Ok(found)
    }

    /// The session of this id, if remembered.
    pub fn session(&self, id: SessionId, now: Time) -> Lookup<Session> {
        Entry::lookup(self.sessions.get(&id), now)
    }

    /// Reads the session of this id, and remembers the answer.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is remembered then.
    pub fn load_session(
        &self,
        stores: &Stores,
        id: SessionId,
        now: Time,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let generation = self.sessions.generation();
        let found = stores.sessions.by_id(id)?.map(Arc::new);
        self.sessions.insert(id, Entry::of(found.as_ref(), now), generation);
        Ok(found)
    }

    /// Forgets everything: some changes were missed.
    pub fn forget_all(&self) {
        self.keys.clear();
        self.hashes.clear();
        self.users.clear();
        self.sessions.clear();
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.keys.len().saturating_add(self.users.len()).saturating_add(self.sessions.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what `change` names; gives the key of which something may still be remembered.
    fn forget(&self, change: Change) -> Option<KeyId> {
        match change {
            Change::User(id) => self.users.remove(&id),
            Change::Session(id) => self.sessions.remove(&id),
            Change::Key(id) => {
                let hashes = self.hashes.take(&id);
                hashes.iter().flat_map(|hashes| hashes.iter()).for_each(|hash| self.keys.remove(hash));
                // Where ids have made room for others, one that came back knows the hashes that it came back with, and
                // none of an earlier secret that is still good beside it.
                return Some(id).filter(|_| hashes.is_none() || self.hashes.has_lost());
            }
        }
        None
    }
}

impl ChangeListener for Directory {
    fn changed(&self, changes: &[Change]) {
        let strange: HashSet<KeyId> = changes.iter().filter_map(|change| self.forget(*change)).collect();
        if !strange.is_empty() {
            // Made just now and perhaps remembered as absent, or known by a hash to which its id does not lead any more.
            // That is a walk over everything: one for all of them, since an import makes thousands a second.
            self.keys.retain(|entry| matches!(entry, Entry::Known(key) if !strange.contains(&key.id)));
        }
    }
}
