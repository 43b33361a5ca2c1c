//! The recorder: an event is on disk before the answer's last byte leaves.
//!
//! One writer, on a thread of its own, takes whatever queued while its last commit ran; no timer. Places
//! in the queue are taken at admission, so that what was admitted can always be recorded. Refusals take
//! no place and are waited for by nobody.

mod drain;
mod health;
mod interrupted;
mod keeper;
mod place;
mod refusals;
mod stream;
mod writer;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures::channel::oneshot;
use tollgate_domain::{Clock, Time, UsageEvent, UserId};
use tollgate_store::{EventStore, OpenRequestStore, SpoolStore};

use drain::Drain;
pub use drain::Stopped;
use health::Health;
use keeper::{Keeper, OpenRequests};
pub use place::Place;
use place::{Closing, Places, Waiting};
use refusals::Refusals;
use stream::Stream;
use writer::{Entry, Kept, Message, Verdict, Waiter, Writer};

/// Refusals that may wait to be written; beyond, they are dropped and counted.
const MAX_WAITING_REFUSALS: usize = 10_000;
/// How long the end waits for a thread of the recorder's that is in the middle of something.
const CLOSING_PATIENCE: Duration = Duration::from_secs(4);
/// How often it looks.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// Where the recorder writes.
#[derive(Clone)]
pub struct RecorderStores {
    /// The database's events.
    pub events: Arc<dyn EventStore>,
    /// The database's rows of requests that run long.
    pub open_requests: Arc<dyn OpenRequestStore>,
    /// Where both go while the database is away.
    pub spool: Arc<dyn SpoolStore>,
}

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

/// What an event becomes whose answer had to end before it was recorded.
pub type TooLate = fn(&mut UsageEvent);

/// The recorder's door.
pub struct Recorder {
    places: Arc<Places>,
    door: Arc<Door>,
    health: Arc<Health>,
    open_requests: Arc<OpenRequests>,
    writer: Mutex<Option<JoinHandle<()>>>,
    helpers: Mutex<Vec<JoinHandle<()>>>,
}

/// The way to the writer.
struct Door {
    queue: mpsc::SyncSender<Message>,
    refusals: Refusals,
    waiting_refusals: Arc<AtomicUsize>,
}

impl Recorder {
    /// Brings into the database what an earlier process left: what waits in the spool, and the requests
    /// that were running when it was killed, of which it last told before `before`. To be called before
    /// anything is summed.
    ///
    /// # Errors
    /// See [`Stopped`]; what was brought in already stays so, and the rest is there for another try.
    pub fn recover(stores: &RecorderStores, clock: &Arc<dyn Clock>, before: Time) -> Result<(), Stopped> {
        let (events, spool) = (Arc::clone(&stores.events), Arc::clone(&stores.spool));
        Drain::new(events, spool, Arc::clone(clock)).drain_all()?;
        let interrupted = interrupted::record(stores, clock, before)?;
        if interrupted > 0 {
            tracing::warn!(requests = interrupted, "requests were interrupted by the end of the last server");
        }
        Ok(())
    }

    /// Starts the recorder's threads.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(
        stores: RecorderStores,
        settings: RecorderSettings,
        clock: &Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let RecorderStores { events, open_requests: rows, spool } = stores;
        let (health, open_requests) = (Arc::<Health>::default(), Arc::<OpenRequests>::default());
        let places =
            Arc::new(Places::new(settings.max_open, Arc::clone(&health), Arc::clone(&open_requests)));
        // Room for every place and every refusal that may wait, and the closing mark.
        let room = settings.max_open.saturating_add(MAX_WAITING_REFUSALS).saturating_add(1);
        let (queue, messages) = mpsc::sync_channel(room);
        let door = Arc::new(Door { queue, refusals: Refusals::default(), waiting_refusals: Arc::default() });

        let writer = Writer::new(
            Stream::new(Arc::clone(&events), Arc::clone(clock)),
            Arc::clone(&spool),
            Arc::clone(&health),
            Arc::clone(clock),
            messages,
            settings.max_wait,
        );
        let closing = Closing(Arc::clone(&places));
        let writer = spawn("recorder", move || {
            // However the writer ends, nothing is admitted that nobody would record.
            let _closing = closing;
            writer.run();
        })?;
        let keeper = Keeper::new(
            Arc::clone(&open_requests),
            rows,
            Arc::clone(&spool),
            Arc::clone(&health),
            Arc::clone(clock),
        );
        let behind = Arc::clone(&door);
        let keeper = spawn("open-requests", move || keeper.serve(|| behind.write_gathered()))?;
        let (drain, told) = (Drain::new(events, spool, Arc::clone(clock)), Arc::clone(&health));
        let drain = spawn("spool", move || drain.serve(&told))?;
        let (writer, helpers) = (Mutex::new(Some(writer)), Mutex::new(vec![keeper, drain]));
        Ok(Self { places, door, health, open_requests, writer, helpers })
    }

    /// Takes a place for a request of `user`.
    ///
    /// # Errors
    /// [`NoPlace`] says whether it is worth while to come back at once.
    pub fn reserve(&self, user: UserId) -> Result<Place, NoPlace> {
        Places::take(&self.places, user)
    }

    /// Whether events have somewhere to go: the database or the spool.
    pub fn can_store(&self) -> bool {
        self.health.can_store()
    }

    /// Whether events go to the spool because the database takes none.
    pub fn is_database_away(&self) -> bool {
        self.health.is_away()
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
    /// [`NotRecorded`] when that took too long: the answer must not be completed. The event, changed by
    /// `too_late`, is written later all the same, if it can be.
    pub async fn record(
        &self,
        place: Place,
        event: UsageEvent,
        too_late: TooLate,
    ) -> Result<(), NotRecorded> {
        let (done, verdict) = oneshot::channel();
        self.door.send(event, Waiter::new(Some(Verdict { done, too_late }), Kept::Place(place)))?;
        verdict.await.unwrap_or(Err(NotRecorded))
    }

    /// Writes `event` in the place that was taken for it, without waiting: for requests whose end nobody
    /// is there to see.
    pub fn record_unwaited(&self, place: Place, event: UsageEvent) {
        if self.door.send(event, Waiter::new(None, Kept::Place(place))).is_err() {
            tracing::error!("a request ended after the recorder did and is not recorded");
        }
    }

    /// Writes the event of a refusal, some time; many of one key become one. Dropped and counted when too
    /// many wait already.
    pub fn note(&self, event: UsageEvent) {
        if let Some(event) = self.door.refusals.note(event, Instant::now()) {
            self.door.write_refusal(event);
        }
    }

    /// How many requests are open.
    pub fn open(&self) -> usize {
        self.places.open()
    }

    /// Writes what is queued and ends the recorder's threads; blocks meanwhile, for some seconds at most
    /// where nothing takes events. There are no places any more, and whoever records afterwards is told
    /// [`NotRecorded`].
    pub fn close(&self) {
        self.places.close();
        for event in self.door.refusals.drain() {
            self.door.write_refusal(event);
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without a writer there is nobody to tell.
        self.door.queue.send(Message::Close).unwrap_or_default();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the recorder's thread panicked");
        }
        // After the writer: what it has recorded is no longer open.
        self.open_requests.close();
        self.health.close();
        let end = Instant::now() + CLOSING_PATIENCE;
        let helpers = std::mem::take(&mut *self.helpers.lock().unwrap_or_else(PoisonError::into_inner));
        while helpers.iter().any(|thread| !thread.is_finished()) && Instant::now() < end {
            thread::sleep(CLOSING_PAUSE);
        }
    }
}

impl Door {
    /// Never blocks: the queue has room for all that has a place or is a refusal that may wait.
    fn send(&self, event: UsageEvent, waiter: Waiter) -> Result<(), NotRecorded> {
        let entry = Box::new(Entry { event, waiter });
        self.queue.send(Message::Event(entry)).map_err(|_closed| NotRecorded)?;
        metrics::gauge!("tollgate_record_queue").increment(1);
        Ok(())
    }

    fn write_refusal(&self, event: UsageEvent) {
        let requests = event.repeat;
        let waiting = Waiting::among(&self.waiting_refusals, MAX_WAITING_REFUSALS).ok_or(NotRecorded);
        let sent = waiting.and_then(|w| self.send(event, Waiter::new(None, Kept::Refusal(w))));
        if sent.is_err() {
            metrics::counter!("tollgate_record_dropped_refusals_total").increment(requests.into());
        }
    }

    fn write_gathered(&self) {
        for event in self.refusals.due(Instant::now()) {
            self.write_refusal(event);
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

#[cfg(test)]
mod tests;
