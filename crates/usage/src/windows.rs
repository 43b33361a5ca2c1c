//! Saving windows, so that the next start restores its counters without reading a day of events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use tollgate_domain::Clock;
use tollgate_store::{EventStore, Mark, StoreError, WindowStore};

use crate::{MemoryMeter, pace::Pace};

/// Saves the windows of what is on disk, and restores a meter from them.
pub struct WindowSaver {
    events: Arc<dyn EventStore>,
    windows: Arc<dyn WindowStore>,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
}

impl WindowSaver {
    /// A saver that has saved nothing.
    pub fn new(events: Arc<dyn EventStore>, windows: Arc<dyn WindowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { events, windows, clock, closed: AtomicBool::new(false) }
    }

    /// Gives `meter` what earlier processes admitted: exactly what the events on disk say. For the start,
    /// while nobody is served.
    ///
    /// # Errors
    /// See [`StoreError`]; the meter may then have a part of it, and must not be used.
    pub fn restore(&self, meter: &MemoryMeter) -> Result<(), StoreError> {
        self.pieces(&self.events.mark()?, Pace::alone())?;
        let now = self.clock.now();
        self.windows.load(&mut |mut saved| {
            // By a clock that has been set back since, and of a key that was not saved again.
            if saved.windows.are_far_ahead(now) {
                saved.windows.pull_back(now);
            }
            meter.restore(&saved);
        })
    }

    /// Saves what is on disk now, beside others, until it is done or [closed](WindowSaver::close): what is left
    /// then, the next start saves. A step of a job.
    pub fn step(&self) {
        let started = Instant::now();
        let saved = self.events.mark().and_then(|mark| self.pieces(&mark, Pace::beside_others()));
        metrics::histogram!("tollgate_windows_save_seconds").record(started.elapsed());
        if let Err(error) = saved {
            tracing::warn!(%error, cause = ?error, "the windows could not be saved: the next save goes on");
        }
    }

    /// Ends [`WindowSaver::step`] soon, for ever.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn pieces(&self, mark: &Mark, mut pace: Pace) -> Result<(), StoreError> {
        while !self.closed.load(Ordering::Relaxed) {
            let started = Instant::now();
            if !self.windows.save(pace.piece(), mark, self.clock.now())?.more {
                break;
            }
            thread::sleep(pace.took(started.elapsed()));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod disk;
#[cfg(test)]
mod tests;
