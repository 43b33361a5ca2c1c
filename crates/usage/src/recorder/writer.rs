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
use tollgate_domain::{Clock, UsageEvent};
use tollgate_store::{SpoolStore, StoreError, event::MAX_GROUP};

use super::{
    NotRecorded, TooLate,
    health::Health,
    place::{Place, Waiting},
    stream::{Stream, reject},
};

/// How long the database may take for a group; then the spool has it too.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause before a group is sent again that neither the database nor the spool took.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a closing writer goes on trying while neither takes anything.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

pub enum Message {
    Event(Box<Entry>),
    Close,
}

/// What an entry keeps until it is written.
pub enum Kept {
    Place(Place),
    #[expect(dead_code, reason = "counted off when dropped")]
    Refusal(Waiting),
}

pub struct Entry {
    pub event: UsageEvent,
    pub waiter: Waiter,
}

/// Who waits for an event's verdict, and what the event becomes should it come too late.
pub struct Verdict {
    pub done: oneshot::Sender<Result<(), NotRecorded>>,
    pub too_late: TooLate,
}

/// What belongs to an event until it is written.
pub struct Waiter {
    verdict: Option<Verdict>,
    kept: Kept,
    since: Instant,
}

impl Waiter {
    pub fn new(verdict: Option<Verdict>, kept: Kept) -> Self {
        Self { verdict, kept, since: Instant::now() }
    }

    fn stored(&mut self, event: &UsageEvent) {
        if let Kept::Place(place) = &self.kept {
            place.recorded(event.id);
        }
        if let Some(Verdict { done, .. }) = self.verdict.take() {
            // Who has gone away needs no verdict.
            done.send(Ok(())).unwrap_or_default();
        }
    }

    /// Tells who has waited for `max_wait` that the answer must end without its record; gives what the
    /// event becomes by that.
    fn give_up(&mut self, max_wait: Duration) -> Option<TooLate> {
        let late = self.since.elapsed() >= max_wait;
        let Verdict { done, too_late } = self.verdict.take_if(|_| late)?;
        done.send(Err(NotRecorded)).unwrap_or_default();
        Some(too_late)
    }
}

/// Events of one commit, and what belongs to each.
struct Group {
    events: Arc<[UsageEvent]>,
    waiters: Vec<Waiter>,
}

impl Group {
    fn stored(&mut self) {
        self.waiters.iter_mut().zip(&*self.events).for_each(|(waiter, event)| waiter.stored(event));
    }

    /// The events of those that have waited too long are changed, wherever an earlier try has not stored
    /// them after all.
    fn give_up(&mut self, max_wait: Duration) {
        let late: Vec<_> = self.waiters.iter_mut().map(|waiter| waiter.give_up(max_wait)).collect();
        if late.iter().any(Option::is_some) {
            let mut events = self.events.to_vec();
            for (event, too_late) in events.iter_mut().zip(late) {
                too_late.into_iter().for_each(|change| change(event));
            }
            self.events = events.into();
        }
    }
}

pub struct Writer {
    stream: Stream,
    spool: Arc<dyn SpoolStore>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
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
        stream: Stream,
        spool: Arc<dyn SpoolStore>,
        health: Arc<Health>,
        clock: Arc<dyn Clock>,
        messages: mpsc::Receiver<Message>,
        max_wait: Duration,
    ) -> Self {
        let (unwritten, taken, closing) = (Vec::new(), VecDeque::new(), None);
        Self { stream, spool, health, clock, messages, max_wait, unwritten, taken, closing }
    }

    pub fn run(mut self) {
        while let Some(mut group) = self.unwritten.pop().or_else(|| self.next_group()) {
            let started = Instant::now();
            let verdict = self.write(&group.events);
            metrics::histogram!("tollgate_record_commit_seconds").record(started.elapsed());
            match verdict {
                Ok(()) => group.stored(),
                Err(StoreError::Rejected(_)) if group.events.len() > 1 => self.halve(group),
                Err(error) => self.try_later(group, &error),
            }
        }
    }

    /// To the database while it answers, else to the spool: on disk is on disk. `Rejected` only where the
    /// database refuses one of several.
    fn write(&mut self, events: &Arc<[UsageEvent]>) -> Result<(), StoreError> {
        // While the spool takes nothing either, the drain has nothing to ask the database with.
        if !self.health.is_away() || !self.health.can_store() {
            match (self.stream.append(events, PATIENCE), &**events) {
                (Ok(()), _) => {
                    self.health.database_answers();
                    return Ok(());
                }
                (Err(refused @ StoreError::Rejected(_)), [event]) => {
                    return self
                        .stuck_unless(|writer| reject(event, &refused, &*writer.spool, &*writer.clock));
                }
                (Err(refused @ StoreError::Rejected(_)), _) => return Err(refused),
                (Err(error), _) => self.health.database_is_away(&error),
            }
        }
        self.stuck_unless(|writer| writer.spool.append(events))?;
        self.health.spooled();
        Ok(())
    }

    fn stuck_unless(&self, spool: impl FnOnce(&Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        spool(self).inspect_err(|error| self.health.stuck(error)).map_err(|error| match error {
            // The spool refuses no values: whatever it is, it is not the event.
            StoreError::Rejected(cause) => StoreError::Unavailable(cause),
            other => other,
        })
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

    /// Neither the database nor the spool takes anything: tries the group again after a pause, in which who
    /// has waited too long, here or behind in the queue, is told so. A closing writer gives up in the end.
    fn try_later(&mut self, group: Group, error: &StoreError) {
        if self.closing.is_some_and(|since| since.elapsed() >= CLOSING_PATIENCE) {
            tracing::error!(
                events = group.events.len(),
                ?error,
                "events could not be written before the end: neither the database nor the spool takes any"
            );
            return;
        }
        self.unwritten.push(group);
        self.pause();
        self.unwritten.iter_mut().for_each(|group| group.give_up(self.max_wait));
        for Entry { event, waiter } in &mut self.taken {
            if let Some(change) = waiter.give_up(self.max_wait) {
                change(event);
            }
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

    /// A value that the database refuses is found by halving.
    fn halve(&mut self, group: Group) {
        let Group { events, mut waiters } = group;
        let (first, second) = events.split_at(events.len() / 2);
        let rest = waiters.split_off(first.len());
        self.unwritten.push(Group { events: second.into(), waiters: rest });
        self.unwritten.push(Group { events: first.into(), waiters });
    }
}
