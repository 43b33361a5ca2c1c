//! The recorder: an event is on disk before the answer's last byte leaves.
//!
//! One writer, on a thread of its own, takes whatever queued while its last commit ran; no timer. Places
//! in the queue are taken at admission, so that what was admitted can always be recorded. Refusals take
//! no place and are waited for by nobody.

mod place;
mod writer;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use futures::channel::oneshot;
use tollgate_domain::{Time, UsageEvent, UserId};
use tollgate_store::{EventStore, StoreError};

pub use place::Place;
use place::{Closing, Places, Waiting};
use writer::{Entry, Kept, Message, Waiter, Writer};

/// Refusals that may wait to be written; beyond, they are dropped and counted.
const MAX_WAITING_REFUSALS: usize = 10_000;

/// What the recorder is bounded by.
#[derive(Debug, Clone, Copy)]
pub struct RecorderSettings {
    /// Requests that may be open at once; one user has at most half of them.
    pub max_open: usize,
    /// How long an answer waits for its record while the database is away.
    pub max_wait: Duration,
}

/// The event is not on disk yet, or never will be: the answer must not be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be recorded")]
pub struct NotRecorded;

/// Nothing can be admitted, because nothing more could be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// As many requests are open as may be, over all or of this user, or the recorder is closed.
    #[error("too many requests are open")]
    Full,
    /// Neither the database nor the spool takes events.
    #[error("events cannot be recorded")]
    Unavailable,
}

/// The recorder's door.
pub struct Recorder {
    places: Arc<Places>,
    queue: mpsc::SyncSender<Message>,
    refusals: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Opens a stream of events and starts the writer's thread.
    ///
    /// # Errors
    /// See [`StoreError`]; `Unavailable` also where no thread can be had.
    pub fn start(
        store: Arc<dyn EventStore>,
        settings: RecorderSettings,
        now: Time,
    ) -> Result<Self, StoreError> {
        let stream = store.open_stream(now)?;
        // Room for every place and every refusal that may wait, and the closing mark.
        let room = settings.max_open.saturating_add(MAX_WAITING_REFUSALS).saturating_add(1);
        let (queue, messages) = mpsc::sync_channel(room);
        let writer = Writer::new(store, stream, messages, settings.max_wait);
        let places = Arc::new(Places::new(settings.max_open));
        let closing = Closing(Arc::clone(&places));
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                // However the writer ends, nothing is admitted that nobody would record.
                let _closing = closing;
                writer.run();
            })
            .map_err(StoreError::unavailable)?;
        Ok(Self { places, queue, refusals: Arc::default(), thread: Mutex::new(Some(thread)) })
    }

    /// Takes a place for a request of `user`.
    ///
    /// # Errors
    /// [`NoPlace`] says whether it is worth while to come back at once.
    pub fn reserve(&self, user: UserId) -> Result<Place, NoPlace> {
        Places::take(&self.places, user)
    }

    /// Notes how far a request that still runs has come, as the event that it would be if it ended now: so
    /// the next start records it should this process be killed. Waits for nothing; a later note of the same
    /// request takes the place of an earlier one.
    pub fn keep_open(&self, place: &Place, event: UsageEvent) {
        place.keep(event);
    }

    /// Writes `event` in the place that was taken for it, and returns when it is on disk.
    ///
    /// # Errors
    /// [`NotRecorded`] when that took too long; the event is written later all the same, if it can be.
    pub async fn record(&self, place: Place, event: UsageEvent) -> Result<(), NotRecorded> {
        let (done, verdict) = oneshot::channel();
        self.send(event, Waiter::new(Some(done), Kept::Place(place)))?;
        verdict.await.unwrap_or(Err(NotRecorded))
    }

    /// Writes `event` in the place that was taken for it, without waiting: for requests whose end nobody
    /// is there to see.
    pub fn record_unwaited(&self, place: Place, event: UsageEvent) {
        if self.send(event, Waiter::new(None, Kept::Place(place))).is_err() {
            tracing::error!("a request ended after the recorder did and is not recorded");
        }
    }

    /// Writes the event of a refusal, some time; dropped and counted when too many wait already.
    pub fn note(&self, event: UsageEvent) {
        let waiting = Waiting::among(&self.refusals, MAX_WAITING_REFUSALS).ok_or(NotRecorded);
        let sent = waiting.and_then(|w| self.send(event, Waiter::new(None, Kept::Refusal(w))));
        if sent.is_err() {
            metrics::counter!("tollgate_record_dropped_refusals_total").increment(1);
        }
    }

    /// Never blocks: the queue has room for all that has a place or is a refusal that may wait.
    fn send(&self, event: UsageEvent, waiter: Waiter) -> Result<(), NotRecorded> {
        let entry = Box::new(Entry { event, waiter });
        self.queue.send(Message::Event(entry)).map_err(|_closed| NotRecorded)?;
        metrics::gauge!("tollgate_record_queue").increment(1);
        Ok(())
    }

    /// How many requests are open.
    pub fn open(&self) -> usize {
        self.places.open()
    }

    /// Writes what is queued and ends the writer; blocks meanwhile, for some seconds at most where the
    /// database is away. There are no places any more, and whoever records afterwards is told
    /// [`NotRecorded`].
    pub fn close(&self) {
        self.places.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without a writer there is nobody to tell.
        self.queue.send(Message::Close).unwrap_or_default();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the recorder's thread panicked");
        }
    }
}

#[cfg(test)]
mod tests;
