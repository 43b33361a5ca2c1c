//! The drain: what waits in the spool goes into the database, the oldest first, beside new traffic.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tollgate_domain::{Clock, UsageEvent};
use tollgate_store::{EventStore, SpoolStore, StoreError};

use super::{
    health::Health,
    stream::{Stream, ids},
};

/// Events of one append.
const PIECE: u32 = 500;
/// How long one append may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before the database is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// The longest pause between two pieces: new traffic shares the database's write lock.
const MAX_PAUSE: Duration = Duration::from_millis(20);
/// How often the spool's depth is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why events did not get from the spool into the database.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The spool cannot be read or written.
    #[error("the spool fails: {0}")]
    Spool(#[source] StoreError),
    /// The database does not take them.
    #[error(transparent)]
    Database(StoreError),
}

pub struct Drain {
    spool: Arc<dyn SpoolStore>,
    stream: Stream,
    clock: Arc<dyn Clock>,
    looked: Option<Instant>,
}

impl Drain {
    pub fn new(events: Arc<dyn EventStore>, spool: Arc<dyn SpoolStore>, clock: Arc<dyn Clock>) -> Self {
        let stream = Stream::new(events, Arc::clone(&clock));
        Self { spool, stream, clock, looked: None }
    }

    /// Drains whatever comes into the spool, until `health` is closed.
    pub fn serve(mut self, health: &Health) {
        let mut seen = None;
        while let Some(now) = health.await_spooled(seen) {
            let started = Instant::now();
            match self.piece() {
                Ok(0) => {
                    health.spool_readable(Ok(()));
                    seen = Some(now);
                    self.looked = None;
                }
                Ok(_) => {
                    health.spool_readable(Ok(()));
                    health.database_answers();
                    health.pause(started.elapsed().min(MAX_PAUSE));
                }
                Err(Stopped::Database(error)) => {
                    health.spool_readable(Ok(()));
                    health.database_is_away(&error);
                    health.pause(RETRY);
                }
                Err(Stopped::Spool(error)) => {
                    health.spool_readable(Err(&error));
                    health.pause(RETRY);
                }
            }
            self.tell_depth();
        }
    }

    /// Drains all that waits now.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn drain_all(&mut self) -> Result<(), Stopped> {
        while self.piece()? > 0 {}
        Ok(())
    }

    /// Passes the oldest on; how many.
    fn piece(&mut self) -> Result<usize, Stopped> {
        let events: Arc<[UsageEvent]> = self.spool.oldest(PIECE).map_err(Stopped::Spool)?.into();
        if !events.is_empty() {
            let passed = self.stream.append_isolating(&events, &*self.spool, PATIENCE);
            passed.map_err(Stopped::Database)?;
            self.spool.remove(&ids(&events)).map_err(Stopped::Spool)?;
        }
        Ok(events.len())
    }

    /// Tells operators, now and then, how much waits.
    fn tell_depth(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let Ok(depth) = self.spool.depth() else { return };
        let age = depth.oldest.map(|oldest| self.clock.now().signed_duration_since(oldest));
        let age = age.and_then(|age| age.to_std().ok()).unwrap_or_default();
        metrics::gauge!("tollgate_spool_events").set(gauge(depth.waiting));
        metrics::gauge!("tollgate_spool_oldest_seconds").set(age.as_secs_f64());
        metrics::gauge!("tollgate_spool_rejected").set(gauge(depth.rejected));
    }
}

fn gauge(number: u64) -> f64 {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}
