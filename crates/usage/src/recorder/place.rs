//! Places in the recorder's queue: how many requests may be open, over all and for one user.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tollgate_domain::{EventId, UsageEvent, UserId};

use super::{NoPlace, health::Health, keeper::OpenRequests};

/// Locks over which users are spread.
const SHARDS: usize = 64;

pub struct Places {
    max_open: usize,
    health: Arc<Health>,
    open_requests: Arc<OpenRequests>,
    open: AtomicUsize,
    closed: AtomicBool,
    by_user: Vec<Mutex<HashMap<UserId, usize>>>,
}

/// A place in the recorder's queue, taken at admission; given back when dropped.
#[must_use = "a place is given back when dropped"]
pub struct Place {
    places: Arc<Places>,
    user: UserId,
    /// Whether its request has left a row.
    kept: AtomicBool,
}

impl Place {
    /// Leaves a row that tells how far the request has come.
    pub fn keep(&self, event: UsageEvent) {
        self.kept.store(true, Ordering::SeqCst);
        self.places.open_requests.keep(event);
    }

    /// The request of this place is recorded as event `id`: its row, if it left one, means nothing now.
    pub fn recorded(&self, id: EventId) {
        if self.kept.load(Ordering::SeqCst) {
            self.places.open_requests.recorded(id);
        }
    }
}

impl Places {
    pub fn new(max_open: usize, health: Arc<Health>, open_requests: Arc<OpenRequests>) -> Self {
        let by_user = (0..SHARDS).map(|_| Mutex::default()).collect();
        let (open, closed) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { max_open, health, open_requests, open, closed, by_user }
    }

    /// Gives no more places.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub fn take(places: &Arc<Self>, user: UserId) -> Result<Place, NoPlace> {
        if places.closed.load(Ordering::SeqCst) {
            return Err(NoPlace::Full);
        }
        if !places.health.can_store() {
            return Err(NoPlace::Unavailable);
        }
        if places.open.fetch_add(1, Ordering::SeqCst) >= places.max_open || !places.take_for(user) {
            places.open.fetch_sub(1, Ordering::SeqCst);
            return Err(NoPlace::Full);
        }
        Ok(Place { places: Arc::clone(places), user, kept: AtomicBool::new(false) })
    }

    fn take_for(&self, user: UserId) -> bool {
        self.with(user, |by_user| {
            let open = by_user.entry(user).or_insert(0);
            let free = *open < self.max_open.div_ceil(2);
            *open = open.saturating_add(usize::from(free));
            free
        })
    }

    fn give_back(&self, user: UserId) {
        self.with(user, |by_user| {
            if let Some(open) = by_user.get_mut(&user) {
                *open = open.saturating_sub(1);
            }
            if by_user.get(&user) == Some(&0) {
                by_user.remove(&user);
            }
        });
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn with<T>(&self, user: UserId, each: impl FnOnce(&mut HashMap<UserId, usize>) -> T) -> T {
        // The last byte of a UUID of version 7 is random.
        let [.., last] = *user.as_uuid().as_bytes();
        let shard = &self.by_user[usize::from(last) % SHARDS];
        each(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(self.user);
    }
}

/// Closes the places when dropped.
pub struct Closing(pub Arc<Places>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A refusal that waits to be written; counted off when dropped.
pub struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// One more of at most `most`.
    pub fn among(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        // Made first, so that one too many counts itself off.
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(Arc::clone(count));
        (before < most).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
