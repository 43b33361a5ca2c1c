//! The keeper: open requests leave their rows, and refusals that were gathered are written in time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tollgate_domain::{Clock, EventId, UsageEvent};
use tollgate_store::{OpenRequestStore, SpoolStore, StoreError};

use super::health::Health;

/// How often rows are written: with the pauses of whoever tells, at most 2 s of a request are missing.
const EVERY: Duration = Duration::from_millis(250);
/// How long the database may take for it; then the spool has them.
const PATIENCE: Duration = Duration::from_millis(500);
/// Requests of one write.
const PIECE: usize = 1_000;
/// Recorded requests whose rows could not be forgotten yet. Beyond, the next start does it.
const MAX_UNFORGOTTEN: usize = 100_000;

/// What is told to the keeper.
#[derive(Default)]
pub struct OpenRequests {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    running: HashMap<EventId, UsageEvent>,
    recorded: Vec<EventId>,
    closed: bool,
}

impl OpenRequests {
    /// A request has come so far.
    pub fn keep(&self, event: UsageEvent) {
        self.state().running.insert(event.id, event);
    }

    /// A request of which that was told is recorded.
    pub fn recorded(&self, id: EventId) {
        let mut state = self.state();
        state.running.remove(&id);
        state.recorded.push(id);
    }

    /// Ends the keeper, which forgets once more what is recorded.
    pub fn close(&self) {
        self.state().closed = true;
        self.turned.notify_all();
    }

    /// Waits a while; whether to go on.
    fn wait(&self) -> bool {
        let end = Instant::now() + EVERY;
        let mut state = self.state();
        while !state.closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.turned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn take(&self) -> (Vec<UsageEvent>, Vec<EventId>) {
        let mut state = self.state();
        let running = std::mem::take(&mut state.running).into_values().collect();
        (running, std::mem::take(&mut state.recorded))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for rows, and which of them are there.
struct Shelf<S: ?Sized> {
    store: Arc<S>,
    kept: HashSet<EventId>,
    unforgotten: Vec<EventId>,
}

impl<S: OpenRequestStore + ?Sized> Shelf<S> {
    fn new(store: Arc<S>) -> Self {
        Self { store, kept: HashSet::new(), unforgotten: Vec::new() }
    }

    fn keep(&mut self, rows: &Arc<[UsageEvent]>, clock: &dyn Clock) -> Result<(), StoreError> {
        // Without a verdict they may be here as well.
        self.kept.extend(rows.iter().map(|event| event.id));
        self.store.keep(Arc::clone(rows), clock.now(), PATIENCE)
    }

    /// Notes which of its rows mean nothing any more.
    fn note(&mut self, recorded: &[EventId]) {
        self.unforgotten.extend(recorded.iter().filter(|id| self.kept.remove(*id)));
    }

    fn forget(&mut self) {
        if self.unforgotten.is_empty() {
            return;
        }
        match self.store.forget(self.unforgotten.as_slice().into()) {
            Ok(()) => self.unforgotten.clear(),
            // Rows of requests that are recorded mean nothing: the next start passes them over.
            Err(_) if self.unforgotten.len() > MAX_UNFORGOTTEN => self.unforgotten.clear(),
            Err(_) => {}
        }
    }
}

pub struct Keeper {
    told: Arc<OpenRequests>,
    database: Shelf<dyn OpenRequestStore>,
    spool: Shelf<dyn SpoolStore>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
}

impl Keeper {
    pub fn new(
        told: Arc<OpenRequests>,
        database: Arc<dyn OpenRequestStore>,
        spool: Arc<dyn SpoolStore>,
        health: Arc<Health>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { told, database: Shelf::new(database), spool: Shelf::new(spool), health, clock }
    }

    /// Keeps and forgets until the end; `each_time` is called beside.
    pub fn serve(mut self, mut each_time: impl FnMut()) {
        while self.told.wait() {
            self.turn();
            each_time();
        }
        self.turn();
    }

    fn turn(&mut self) {
        let (running, recorded) = self.told.take();
        for rows in running.chunks(PIECE) {
            self.keep(&rows.into());
        }
        self.database.note(&recorded);
        self.spool.note(&recorded);
        if !self.health.is_away() {
            self.database.forget();
        }
        self.spool.forget();
    }

    fn keep(&mut self, rows: &Arc<[UsageEvent]>) {
        if !self.health.is_away() && self.database.keep(rows, &*self.clock).is_ok() {
            return;
        }
        if let Err(error) = self.spool.keep(rows, &*self.clock) {
            tracing::warn!(?error, requests = rows.len(), "how far open requests have come is kept nowhere");
        }
    }
}
