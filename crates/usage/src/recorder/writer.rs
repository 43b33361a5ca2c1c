//! The writer: groups of whatever queued while the last commit ran.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use futures::channel::oneshot;
use tollgate_domain::UsageEvent;
use tollgate_store::{EventStore, StoreError, StreamId, event::MAX_GROUP};

use super::{
    NotRecorded,
    place::{Place, Waiting},
};

/// The pause before a group is sent again while the database is away.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a closing writer goes on trying while the database is away.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

pub enum Message {
    Event(Box<Entry>),
    Close,
}

/// What an entry keeps until it is written.
pub enum Kept {
    #[expect(dead_code, reason = "given back when dropped")]
    Place(Place),
    #[expect(dead_code, reason = "counted off when dropped")]
    Refusal(Waiting),
}

pub struct Entry {
    pub event: UsageEvent,
    pub done: Option<oneshot::Sender<Result<(), NotRecorded>>>,
    pub kept: Kept,
    pub since: Instant,
}

/// What waits for an event's verdict, once the event itself is in its group.
struct Waiter {
    done: Option<oneshot::Sender<Result<(), NotRecorded>>>,
    _kept: Kept,
    since: Instant,
}

impl Waiter {
    fn tell(&mut self, verdict: Result<(), NotRecorded>) {
        if let Some(done) = self.done.take() {
            // Who has gone away needs no verdict.
            done.send(verdict).unwrap_or_default();
        }
    }
}

pub struct Writer {
    store: Arc<dyn EventStore>,
    stream: StreamId,
    next_seq: i64,
    messages: mpsc::Receiver<Message>,
    max_wait: Duration,
    closing: Option<Instant>,
}

impl Writer {
    pub fn new(
        store: Arc<dyn EventStore>,
        stream: StreamId,
        messages: mpsc::Receiver<Message>,
        max_wait: Duration,
    ) -> Self {
        Self { store, stream, next_seq: 1, messages, max_wait, closing: None }
    }

    pub fn run(mut self) {
        while let Some((events, waiters)) = self.next_group() {
            let started = Instant::now();
            let size = u32::try_from(events.len()).unwrap_or(u32::MAX);
            metrics::gauge!("tollgate_record_queue").decrement(f64::from(size));
            metrics::histogram!("tollgate_record_group_size").record(f64::from(size));
            self.write(events.into(), waiters);
            metrics::histogram!("tollgate_record_commit_seconds").record(started.elapsed());
        }
    }

    /// Waits for an event and takes what else has queued; `None` at the end.
    fn next_group(&mut self) -> Option<(Vec<UsageEvent>, Vec<Waiter>)> {
        let mut group = (Vec::new(), Vec::new());
        while group.0.len() < MAX_GROUP {
            let wait = group.0.is_empty() && self.closing.is_none();
            let message = if wait { self.messages.recv().ok() } else { self.messages.try_recv().ok() };
            match message {
                Some(Message::Event(entry)) => {
                    let Entry { event, done, kept, since } = *entry;
                    group.0.push(event);
                    group.1.push(Waiter { done, _kept: kept, since });
                }
                Some(Message::Close) => self.closing = Some(Instant::now()),
                None => break,
            }
        }
        (!group.0.is_empty()).then_some(group)
    }

    /// Writes a group, however often that must be tried. A value that the database refuses is found by
    /// halving, and given up alone.
    fn write(&mut self, events: Arc<[UsageEvent]>, mut waiters: Vec<Waiter>) {
        loop {
            match self.store.append(self.stream, self.next_seq, Arc::clone(&events)) {
                Ok(()) => {
                    self.next_seq = self.next_seq.saturating_add(i64::try_from(events.len()).unwrap_or(0));
                    waiters.iter_mut().for_each(|waiter| waiter.tell(Ok(())));
                    return;
                }
                Err(StoreError::Unavailable(cause)) => {
                    if self.gives_up(&events, &cause) {
                        return;
                    }
                    for waiter in waiters.iter_mut().filter(|w| w.since.elapsed() >= self.max_wait) {
                        waiter.tell(Err(NotRecorded));
                    }
                    thread::sleep(RETRY_PAUSE);
                }
                Err(refused) => return self.halve(&events, waiters, &refused),
            }
        }
    }

    fn halve(&mut self, events: &[UsageEvent], mut waiters: Vec<Waiter>, refused: &StoreError) {
        if let [event] = events {
            tracing::error!(event = %event.id, request_id = event.request_id, error = ?refused,
                "an event was refused by the database and is lost");
            waiters.iter_mut().for_each(|waiter| waiter.tell(Err(NotRecorded)));
            return;
        }
        let (first, second) = events.split_at(events.len() / 2);
        let rest = waiters.split_off(first.len());
        self.write(first.into(), waiters);
        self.write(second.into(), rest);
    }

    /// Whether a closing writer has tried long enough.
    fn gives_up(&self, events: &[UsageEvent], cause: &tollgate_store::error::Cause) -> bool {
        let over = self.closing.is_some_and(|since| since.elapsed() >= CLOSING_PATIENCE);
        if over {
            tracing::error!(events = events.len(), error = ?cause,
                "events could not be written before the end: the database is away");
        }
        over
    }
}
