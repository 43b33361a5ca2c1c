//! What the recorder's threads tell each other: who takes events, and whether some wait in the spool.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tollgate_store::StoreError;

#[derive(Default)]
pub struct Health {
    /// The database gave no verdict the last time it was asked.
    away: AtomicBool,
    /// Neither the database nor the spool took the last group.
    stuck: AtomicBool,
    /// The spool cannot be read.
    unreadable: AtomicBool,
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    /// Raised whenever something came into the spool.
    spooled: u64,
    closed: bool,
}

impl Health {
    /// Whether the database is believed to be away: then groups go to the spool at once, and the drain
    /// alone goes on asking.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// Whether events have somewhere to go.
    pub fn can_store(&self) -> bool {
        !self.stuck.load(Ordering::SeqCst) && !self.unreadable.load(Ordering::SeqCst)
    }

    /// The database took events.
    pub fn database_answers(&self) {
        if self.away.swap(false, Ordering::SeqCst) {
            tracing::info!("the database takes events again");
        }
        self.stuck.store(false, Ordering::SeqCst);
    }

    /// The database gave no verdict.
    pub fn database_is_away(&self, error: &StoreError) {
        if !self.away.swap(true, Ordering::SeqCst) {
            tracing::warn!(?error, "the database takes no events: they go to the spool");
        }
    }

    /// The spool took events.
    pub fn spooled(&self) {
        self.stuck.store(false, Ordering::SeqCst);
        let mut state = self.state();
        state.spooled = state.spooled.wrapping_add(1);
        drop(state);
        self.turned.notify_all();
    }

    /// Neither took events.
    pub fn stuck(&self, error: &StoreError) {
        if !self.stuck.swap(true, Ordering::SeqCst) {
            tracing::error!(?error, "neither the database nor the spool takes events: nothing is admitted");
        }
    }

    /// Whether the spool can be read.
    pub fn spool_readable(&self, readable: Result<(), &StoreError>) {
        let before = self.unreadable.swap(readable.is_err(), Ordering::SeqCst);
        if let Err(error) = readable
            && !before
        {
            tracing::error!(?error, "the spool cannot be read: nothing is admitted");
        }
    }

    /// Ends who waits here.
    pub fn close(&self) {
        self.state().closed = true;
        self.turned.notify_all();
    }

    /// Waits until something came into the spool since `seen`; gives the present number, or `None` at the
    /// end.
    pub fn await_spooled(&self, seen: Option<u64>) -> Option<u64> {
        let mut state = self.state();
        while !state.closed && seen == Some(state.spooled) {
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!state.closed).then_some(state.spooled)
    }

    /// Waits for `pause`, or until the end.
    pub fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut state = self.state();
        while !state.closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.turned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
