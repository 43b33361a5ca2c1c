//! The writer: groups of whatever queued while the last commit ran.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use futures::channel::oneshot;
use tollgate_domain::UsageEvent;
use tollgate_store::{EventStore, StoreError, StreamId, error::Cause, event::MAX_GROUP};

use super::{
    NotRecorded,
    place::{Place, Waiting},
};

/// The pause before a group is sent again while the database is away.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long one append may take.
const PATIENCE: Duration = Duration::from_secs(3);
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
    pub waiter: Waiter,
}

/// What waits for an event's verdict.
pub struct Waiter {
    done: Option<oneshot::Sender<Result<(), NotRecorded>>>,
    _kept: Kept,
    since: Instant,
}

impl Waiter {
    pub fn new(done: Option<oneshot::Sender<Result<(), NotRecorded>>>, kept: Kept) -> Self {
        Self { done, _kept: kept, since: Instant::now() }
    }

    fn tell(&mut self, verdict: Result<(), NotRecorded>) {
        if let Some(done) = self.done.take() {
            // Who has gone away needs no verdict.
            done.send(verdict).unwrap_or_default();
        }
    }
}

/// Events of one commit, and who waits for each.
struct Group {
    events: Arc<[UsageEvent]>,
    waiters: Vec<Waiter>,
}

pub struct Writer {
    store: Arc<dyn EventStore>,
    stream: StreamId,
    next_seq: i64,
    messages: mpsc::Receiver<Message>,
    max_wait: Duration,
    /// Groups that were tried and are to be tried again; the last is the next.
    unwritten: Vec<Group>,
    /// What was taken from the queue and belongs to no group yet.
    taken: VecDeque<Entry>,
    closing: Option<Instant>,
}

impl Writer {
    pub fn new(
        store: Arc<dyn EventStore>,
        stream: StreamId,
        messages: mpsc::Receiver<Message>,
        max_wait: Duration,
    ) -> Self {
        let (unwritten, taken, closing) = (Vec::new(), VecDeque::new(), None);
        Self { store, stream, next_seq: 1, messages, max_wait, unwritten, taken, closing }
    }

    pub fn run(mut self) {
        while let Some(group) = self.unwritten.pop().or_else(|| self.next_group()) {
            let started = Instant::now();
            let verdict = self.store.append(self.stream, self.next_seq, Arc::clone(&group.events), PATIENCE);
            metrics::histogram!("tollgate_record_commit_seconds").record(started.elapsed());
            match verdict {
                Ok(()) => self.stored(group),
                Err(StoreError::Unavailable(cause)) => self.try_later(group, &cause),
                Err(refused) => self.halve(group, &refused),
            }
        }
    }

    /// Waits for an event and takes what else has queued; `None` at the end.
    fn next_group(&mut self) -> Option<Group> {
        if self.taken.is_empty() && self.closing.is_none() {
            let first = self.messages.recv().ok()?;
            self.take(first);
        }
        while self.taken.len() < MAX_GROUP {
            let Ok(message) = self.messages.try_recv() else { break };
            self.take(message);
        }
        let whole = self.taken.len().min(MAX_GROUP);
        let (events, waiters): (Vec<_>, _) =
            self.taken.drain(..whole).map(|entry| (entry.event, entry.waiter)).unzip();
        if events.is_empty() {
            return None;
        }
        let size = u32::try_from(events.len()).unwrap_or(u32::MAX);
        metrics::gauge!("tollgate_record_queue").decrement(f64::from(size));
        metrics::histogram!("tollgate_record_group_size").record(f64::from(size));
        Some(Group { events: events.into(), waiters })
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(entry) => self.taken.push_back(*entry),
            Message::Close => self.closing = Some(Instant::now()),
        }
    }

    fn stored(&mut self, mut group: Group) {
        self.next_seq = self.next_seq.saturating_add(i64::try_from(group.events.len()).unwrap_or(0));
        group.waiters.iter_mut().for_each(|waiter| waiter.tell(Ok(())));
    }

    /// The database is away: tries the group again after a pause, in which who has waited too long, here
    /// or behind in the queue, is told so. A closing writer gives up in the end.
    fn try_later(&mut self, group: Group, cause: &Cause) {
        if self.closing.is_some_and(|since| since.elapsed() >= CLOSING_PATIENCE) {
            tracing::error!(events = group.events.len(), error = ?cause,
                "events could not be written before the end: the database is away");
            return;
        }
        self.unwritten.push(group);
        self.pause();
        let groups = self.unwritten.iter_mut().flat_map(|group| &mut group.waiters);
        let waiters = groups.chain(self.taken.iter_mut().map(|entry| &mut entry.waiter));
        for waiter in waiters.filter(|waiter| waiter.since.elapsed() >= self.max_wait) {
            waiter.tell(Err(NotRecorded));
        }
    }

    /// Goes on taking from the queue meanwhile; as much as it has room for, since places are kept.
    fn pause(&mut self) {
        let end = Instant::now() + RETRY_PAUSE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    self.closing.get_or_insert_with(Instant::now);
                    return std::thread::sleep(left);
                }
            }
        }
    }

    /// A value that the database refuses is found by halving, and given up alone.
    fn halve(&mut self, group: Group, refused: &StoreError) {
        let Group { events, mut waiters } = group;
        if let [event] = &*events {
            tracing::error!(event = %event.id, request_id = event.request_id, error = ?refused,
                "an event was refused by the database and is lost");
            waiters.iter_mut().for_each(|waiter| waiter.tell(Err(NotRecorded)));
            return;
        }
        let (first, second) = events.split_at(events.len() / 2);
        let rest = waiters.split_off(first.len());
        self.unwritten.push(Group { events: second.into(), waiters: rest });
        self.unwritten.push(Group { events: first.into(), waiters });
    }
}
