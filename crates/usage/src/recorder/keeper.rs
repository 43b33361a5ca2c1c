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
/// How long the database may take for it, and for forgetting; then the spool has them.
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

    /// Whether the store has forgotten them all.
    fn forget(&mut self) -> bool {
        if self.unforgotten.is_empty() {
            return true;
        }
        let forgotten = self.store.forget(self.unforgotten.as_slice().into(), PATIENCE).is_ok();
        // Rows of requests that are recorded mean nothing: the next start passes them over.
        if forgotten || self.unforgotten.len() > MAX_UNFORGOTTEN {
            self.unforgotten.clear();
        }
        forgotten
    }
}

pub struct Keeper {
    told: Arc<OpenRequests>,
    database: Shelf<dyn OpenRequestStore>,
    spool: Shelf<dyn SpoolStore>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    /// The database gave no verdict in the last turn.
    silent: bool,
}

impl Keeper {
    pub fn new(
        told: Arc<OpenRequests>,
        database: Arc<dyn OpenRequestStore>,
        spool: Arc<dyn SpoolStore>,
        health: Arc<Health>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (database, spool) = (Shelf::new(database), Shelf::new(spool));
        Self { told, database, spool, health, clock, silent: false }
    }

    /// Keeps and forgets until the end; `each_time` is called beside.
    pub fn serve(mut self, mut each_time: impl FnMut()) {
        while self.told.wait() {
            self.turn();
            each_time();
        }
        self.turn();
    }

    /// Who has once waited for the database in vain does not at once do so again: what runs has two seconds in all.
    fn turn(&mut self) {
        let (running, recorded) = self.told.take();
        let asked = !self.health.is_away() && !self.silent;
        let mut answers = asked;
        for rows in running.chunks(PIECE) {
            let rows = rows.into();
            answers = answers && self.database.keep(&rows, &*self.clock).is_ok();
            if !answers && let Err(error) = self.spool.keep(&rows, &*self.clock) {
                tracing::warn!(
                    ?error,
                    requests = rows.len(),
                    "how far open requests have come is kept nowhere"
                );
            }
        }
        self.database.note(&recorded);
        self.spool.note(&recorded);
        answers = answers && self.database.forget();
        self.silent = asked && !answers;
        self.spool.forget();
    }
}
