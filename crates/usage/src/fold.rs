//! The fold: events become sums, some seconds later or when somebody asks.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use tollgate_domain::{Clock, Time};
use tollgate_store::{EventStore, Mark, SpoolStore, StoreError};

use crate::pace::Pace;

/// How long a reader waits for the sums.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// The pause after a fold that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long the end goes on folding; what is left then, the next start folds.
const MAX_END: Duration = Duration::from_secs(2);
/// How old a stream is when it may be forgotten. Writers open a new one every day.
const STREAM_LIFE: TimeDelta = TimeDelta::days(7);

/// Folds events into sums, one run at a time.
pub struct Folder {
    events: Arc<dyn EventStore>,
    spool: Option<Arc<dyn SpoolStore>>,
    clock: Arc<dyn Clock>,
    /// How long a reader waits.
    max_wait: Duration,
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    /// Runs that were asked for, begun and ended.
    wanted: u64,
    begun: u64,
    ended: u64,
    /// The sums hold every event that was on disk then: when the last complete run began, unless events waited
    /// in the spool.
    as_of: Option<Time>,
    closed: Option<Instant>,
}

impl Folder {
    /// A folder that has folded nothing.
    pub fn new(events: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        let (state, turned) = (Mutex::default(), Condvar::new());
        Self { events, spool: None, clock, max_wait: MAX_WAIT, state, turned }
    }

    /// One that does not claim what waits in `spool`.
    #[must_use]
    pub fn beside(self, spool: Arc<dyn SpoolStore>) -> Self {
        Self { spool: Some(spool), ..self }
    }

    /// Folds everything that is on disk now, in large pieces without pauses: for the start, while nobody is
    /// served.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn fold_to_end(&self) -> Result<(), StoreError> {
        self.run(&mut Pace::alone())
    }

    /// Folds `every` so often and whenever [`Folder::join`] asks, until [`Folder::close`]; for a thread
    /// of its own. Ends with one last fold.
    pub fn serve(&self, every: Duration) {
        let mut pace = Pace::beside_others();
        while self.wait(every) {
            if let Err(error) = self.run(&mut pace) {
                tracing::warn!(%error, cause = ?error, "the fold failed and is tried again");
                self.pause(RETRY_PAUSE);
            }
        }
        if let Err(error) = self.run(&mut pace) {
            tracing::warn!(%error, "the last fold failed: the next start folds on");
        }
    }

    /// Ends [`Folder::serve`] soon.
    pub fn close(&self) {
        self.state().closed.get_or_insert_with(Instant::now);
        self.turned.notify_all();
    }

    /// Forgets streams of writers that are long gone, once they are folded to their end; at least once a day.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn retire_streams(&self) -> Result<(), StoreError> {
        let streams = self.events.retire_streams(self.clock.now() - STREAM_LIFE)?;
        if streams > 0 {
            tracing::info!(streams, "streams of events that ended were forgotten");
        }
        Ok(())
    }

    /// Waits until the sums hold every event that is on disk now, but no longer than a second. Gives the
    /// time of which the sums are; `None` before the first fold.
    pub fn join(&self) -> Option<Time> {
        let end = Instant::now() + self.max_wait;
        let mut state = self.state();
        // A run that has begun may have passed the newest events by.
        let mine = state.begun.saturating_add(1);
        state.wanted = state.wanted.max(mine);
        self.turned.notify_all();
        while state.ended < mine && state.closed.is_none() {
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
        self.wait_while(every, |state| state.closed.is_none() && state.wanted <= state.begun).closed.is_none()
    }

    /// Waits for `pause`, or until the end.
    fn pause(&self, pause: Duration) {
        drop(self.wait_while(pause, |state| state.closed.is_none()));
    }

    fn wait_while(&self, most: Duration, waits: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.turned
            .wait_timeout_while(self.state(), most, |state| waits(state))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// One run: up to what is on disk when it begins, however much comes meanwhile.
    fn run(&self, pace: &mut Pace) -> Result<(), StoreError> {
        let number = {
            let mut state = self.state();
            state.begun = state.begun.saturating_add(1);
            state.begun
        };
        let (as_of, started) = (self.as_of(), Instant::now());
        let result = self.events.mark().and_then(|mark| self.pieces(&mark, pace));
        metrics::histogram!("tollgate_fold_seconds").record(started.elapsed());
        let mut state = self.state();
        state.ended = state.ended.max(number);
        if matches!(result, Ok(Reached::Mark)) {
            state.as_of = state.as_of.max(as_of);
        }
        drop(state);
        self.turned.notify_all();
        result.map(drop)
    }

    /// The time of which sums are that hold all that is in the database: now, or when what waits longest in the
    /// spool had not come yet; `None` where the spool does not tell. What is drained is in the database before
    /// it leaves the spool, so to be asked before the mark.
    fn as_of(&self) -> Option<Time> {
        let now = self.clock.now();
        let waiting = self.spool.as_ref().map_or_else(|| Ok(Vec::new()), |spool| spool.oldest(1)).ok()?;
        Some(waiting.first().map_or(now, |event| event.time.min(now)))
    }

    fn pieces(&self, mark: &Mark, pace: &mut Pace) -> Result<Reached, StoreError> {
        loop {
            let started = Instant::now();
            let folded = self.events.fold(pace.piece(), mark)?;
            metrics::counter!("tollgate_fold_events_total").increment(folded.events);
            if !folded.more {
                return Ok(Reached::Mark);
            }
            // Who ends waits for nobody.
            self.pause(pace.took(started.elapsed()));
            if self.state().closed.is_some_and(|since| since.elapsed() >= MAX_END) {
                tracing::info!("the fold ends before all is folded: the next start folds on");
                return Ok(Reached::End);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a run came.
enum Reached {
    /// To its mark: the sums hold what was on disk when it began.
    Mark,
    /// To the end of the time that the end may take.
    End,
}

#[cfg(test)]
mod tests;
