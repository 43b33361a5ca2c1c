//! The fold: events become sums, some seconds later or when somebody asks.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tollgate_domain::{Clock, Time};
use tollgate_store::{EventStore, StoreError};

/// Events of one transaction.
const PIECE: u32 = 500;
/// How long a reader waits for the sums.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Folds events into sums, one run at a time.
pub struct Folder {
    events: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    /// Runs that were asked for, begun and ended.
    wanted: u64,
    begun: u64,
    ended: u64,
    /// When the last complete run began: the sums hold every event that was on disk then.
    as_of: Option<Time>,
    closed: bool,
}

impl Folder {
    /// A folder that has folded nothing.
    pub fn new(events: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        Self { events, clock, state: Mutex::default(), turned: Condvar::new() }
    }

    /// Folds everything that is on disk now, without pauses.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn fold_to_end(&self) -> Result<(), StoreError> {
        self.run(Duration::ZERO)
    }

    /// Folds `every` so often and whenever [`Folder::join`] asks, until [`Folder::close`]; for a thread
    /// of its own. Ends with one last fold.
    pub fn serve(&self, every: Duration) {
        while self.wait(every) {
            if let Err(error) = self.run(MAX_WAIT) {
                tracing::warn!(%error, cause = ?error, "the fold failed and is tried again");
                thread::sleep(Duration::from_millis(100));
            }
        }
        if let Err(error) = self.run(Duration::ZERO) {
            tracing::warn!(%error, "the last fold failed: the next start folds on");
        }
    }

    /// Ends [`Folder::serve`].
    pub fn close(&self) {
        self.state().closed = true;
        self.turned.notify_all();
    }

    /// Waits until the sums hold every event that is on disk now, but no longer than a second. Gives the
    /// time of which the sums are; `None` before the first fold.
    pub fn join(&self) -> Option<Time> {
        let end = Instant::now() + MAX_WAIT;
        let mut state = self.state();
        // A run that has begun may have passed the newest events by.
        let mine = state.begun.saturating_add(1);
        state.wanted = state.wanted.max(mine);
        self.turned.notify_all();
        while state.ended < mine && !state.closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.turned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.as_of
    }

    /// Waits for `every`, or until a run is wanted; whether to go on.
    fn wait(&self, every: Duration) -> bool {
        let end = Instant::now() + every;
        let mut state = self.state();
        while !state.closed && state.wanted <= state.begun {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.turned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.closed
    }

    /// One run. Pieces are `max_pause` apart at most, and as long as each took, so that the recorder,
    /// which shares the database's write lock, is not held up.
    fn run(&self, max_pause: Duration) -> Result<(), StoreError> {
        let number = {
            let mut state = self.state();
            state.begun = state.begun.saturating_add(1);
            state.begun
        };
        let (as_of, started) = (self.clock.now(), Instant::now());
        let result = self.pieces(max_pause);
        metrics::histogram!("tollgate_fold_seconds").record(started.elapsed());
        let mut state = self.state();
        state.ended = state.ended.max(number);
        if result.is_ok() {
            state.as_of = state.as_of.max(Some(as_of));
        }
        drop(state);
        self.turned.notify_all();
        result
    }

    fn pieces(&self, max_pause: Duration) -> Result<(), StoreError> {
        loop {
            let started = Instant::now();
            let folded = self.events.fold(PIECE, self.clock.now())?;
            metrics::counter!("tollgate_fold_events_total").increment(folded.events);
            if !folded.more {
                return Ok(());
            }
            thread::sleep(started.elapsed().min(max_pause));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
