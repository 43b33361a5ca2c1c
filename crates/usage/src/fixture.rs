//! What the tests of this crate share: ids, events, and a store that can be held, fail and refuse.

mod spool;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tollgate_domain::{
    Clock, Environment, EventId, KeyId, Month, RequestType, Time, Tokens, UsageEvent, UsageSource, UserId,
};
use tollgate_store::{EventStore, Folded, Mark, OpenRequestStore, StoreError, StreamId};

pub use spool::FakeSpool;

/// The clock of these tests stands still.
pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        at("2026-11-21T12:00:00Z")
    }
}

/// Beyond this a test that waits for a condition has failed; nothing that works comes near it.
pub const FAILED: Duration = Duration::from_secs(60);

pub fn user(number: u32) -> UserId {
    format!("{number:032x}").parse().unwrap()
}

pub fn key(number: u32) -> KeyId {
    format!("{number:032x}").parse().unwrap()
}

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn id(number: u32) -> EventId {
    format!("{number:032x}").parse().unwrap()
}

pub fn event(number: u32) -> UsageEvent {
    let time = at("2026-11-21T12:00:00Z");
    UsageEvent {
        id: id(number),
        time,
        month: Month::of(time),
        request_id: format!("r{number}"),
        user_id: user(1),
        api_key_id: key(1),
        environment: Environment::Live,
        end_user: None,
        endpoint: "/v1/chat/completions".into(),
        method: "POST".into(),
        params: "{}".into(),
        status: 200,
        counts: true,
        request_bytes: 0,
        response_bytes: 0,
        duration_ms: 0,
        upstream_ms: None,
        provider: None,
        model: None,
        upstream_model: None,
        request_type: RequestType::Chat,
        tokens: Tokens::default(),
        usage_source: UsageSource::None,
        cost_pico: None,
        own_key: false,
        repeat: 1,
        ip: None,
        user_agent: None,
        error_code: None,
    }
}

/// How the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Up,
    /// Away, before anything was written.
    Down,
    /// Writes, and says that it is away.
    LosesTheVerdict,
    /// Writes, but forgets no rows.
    ForgetsNothing,
    /// Brings the thread down that asks.
    Panics,
}

#[derive(Default)]
struct State {
    held: bool,
    mood: Mood,
    poison: HashSet<EventId>,
    /// Goes down once it has refused a value.
    goes_down: bool,
    /// Calls that have begun, held or not.
    calls: usize,
    stored: Vec<(i64, EventId)>,
    /// The same with all that was written, by id.
    events: BTreeMap<EventId, UsageEvent>,
    rows: BTreeMap<EventId, UsageEvent>,
    streams: i64,
    /// Stream and number of each append that was tried.
    tried: Vec<(i64, i64)>,
    groups: Vec<usize>,
    on_disk: u64,
    /// Events that come during each fold.
    grows_by: u64,
    folded: u64,
}

/// A store whose calls can be held up: `append` and `fold` wait while it is.
#[derive(Default)]
pub struct HeldStore {
    state: Mutex<State>,
    turned: Condvar,
}

impl HeldStore {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn let_go(&self) {
        self.state().held = false;
        self.turned.notify_all();
    }

    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub fn poison(&self, id: EventId) {
        self.state().poison.insert(id);
    }

    /// Refuses a value, and is away afterwards.
    pub fn go_down_after_refusing(&self) {
        self.state().goes_down = true;
    }

    /// Puts events where the fold finds them.
    pub fn put_on_disk(&self, events: u64) {
        self.state().on_disk += events;
    }

    /// Puts so many more there during each fold.
    pub fn grow_by(&self, events: u64) {
        self.state().grows_by = events;
    }

    pub fn folded(&self) -> u64 {
        self.state().folded
    }

    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Waits until `calls` calls have begun.
    pub fn await_calls(&self, calls: usize) {
        let (state, timeout) =
            self.turned.wait_timeout_while(self.state(), FAILED, |state| state.calls < calls).unwrap();
        assert!(!timeout.timed_out(), "{} of {calls} calls", state.calls);
    }

    /// Sequence numbers and ids, as they were stored.
    pub fn stored(&self) -> Vec<(i64, EventId)> {
        self.state().stored.clone()
    }

    pub fn ids(&self) -> Vec<EventId> {
        self.state().stored.iter().map(|(_, id)| *id).collect()
    }

    /// Stream and number of each append that was tried.
    pub fn tried(&self) -> Vec<(i64, i64)> {
        self.state().tried.clone()
    }

    /// An event as it was stored.
    pub fn event(&self, id: EventId) -> UsageEvent {
        self.state().events[&id].clone()
    }

    /// Rows of open requests.
    pub fn rows(&self) -> Vec<UsageEvent> {
        self.state().rows.values().cloned().collect()
    }

    /// Waits until there are `count` of them.
    pub fn await_rows(&self, count: usize) {
        let (state, timeout) =
            self.turned.wait_timeout_while(self.state(), FAILED, |state| state.rows.len() != count).unwrap();
        assert!(!timeout.timed_out(), "{} rows, not {count}", state.rows.len());
    }

    /// Waits until `count` events are stored.
    pub fn await_stored(&self, count: usize) {
        let (state, timeout) =
            self.turned.wait_timeout_while(self.state(), FAILED, |state| state.stored.len() < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count} events", state.stored.len());
    }

    /// The sizes of the groups that were asked for.
    pub fn groups(&self) -> Vec<usize> {
        self.state().groups.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn call(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.calls += 1;
        self.turned.notify_all();
        self.turned.wait_while(state, |state| state.held).unwrap()
    }
}

impl EventStore for HeldStore {
    fn open_stream(&self, _now: Time) -> Result<StreamId, StoreError> {
        let mut state = self.state();
        state.streams += 1;
        Ok(StreamId(state.streams))
    }

    fn append(
        &self,
        stream: StreamId,
        first_seq: i64,
        events: Arc<[UsageEvent]>,
        _: Duration,
    ) -> Result<(), StoreError> {
        let mut state = self.call();
        assert!(stream.0 <= state.streams);
        state.tried.push((stream.0, first_seq));
        let mood = state.mood;
        match mood {
            Mood::Down => return Err(StoreError::unavailable("down")),
            Mood::Panics => {
                drop(state);
                panic!("as the test wishes");
            }
            Mood::Up | Mood::LosesTheVerdict | Mood::ForgetsNothing => {}
        }
        state.groups.push(events.len());
        if events.iter().any(|event| state.poison.contains(&event.id)) {
            if std::mem::take(&mut state.goes_down) {
                state.mood = Mood::Down;
            }
            return Err(StoreError::Rejected("poison".into()));
        }
        for (seq, event) in (first_seq..).zip(events.iter()) {
            if !state.stored.iter().any(|(_, id)| *id == event.id) {
                state.stored.push((seq, event.id));
                state.events.insert(event.id, event.clone());
            }
        }
        self.turned.notify_all();
        if mood == Mood::LosesTheVerdict { Err(StoreError::unavailable("lost")) } else { Ok(()) }
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let state = self.state();
        Ok(Mark(Arc::from([(StreamId(7), i64::try_from(state.on_disk).unwrap())])))
    }

    fn fold(&self, limit: u32, until: &Mark) -> Result<Folded, StoreError> {
        let mut state = self.call();
        if state.mood != Mood::Up {
            return Err(StoreError::unavailable("down"));
        }
        let until = until.0.iter().map(|(_, seq)| u64::try_from(*seq).unwrap()).sum::<u64>();
        let events = until.saturating_sub(state.folded).min(u64::from(limit));
        state.folded += events;
        let more = state.folded < until;
        state.on_disk += state.grows_by;
        Ok(Folded { events, more })
    }

    fn retire_streams(&self, _before: Time) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl OpenRequestStore for HeldStore {
    fn keep(&self, requests: Arc<[UsageEvent]>, _: Time, _: Duration) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.mood == Mood::Down {
            return Err(StoreError::unavailable("down"));
        }
        state.rows.extend(requests.iter().map(|event| (event.id, event.clone())));
        self.turned.notify_all();
        Ok(())
    }

    fn kept(&self, _: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(self.state().rows.values().take(usize::try_from(limit).unwrap()).cloned().collect())
    }

    fn forget(&self, requests: Arc<[EventId]>, _: Duration) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.mood == Mood::ForgetsNothing {
            return Err(StoreError::unavailable("slow"));
        }
        state.rows.retain(|id, _| !requests.contains(id));
        self.turned.notify_all();
        Ok(())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What `future` gives; a future that never ends fails the test.
pub fn soon<T>(future: impl Future<Output = T>) -> T {
    let end = Instant::now() + FAILED;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        assert!(Instant::now() < end, "it never ended");
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// Runs `work` on a thread of its own; work that never ends fails the test.
pub fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
    let thread = thread::spawn(work);
    let end = Instant::now() + FAILED;
    move || {
        while !thread.is_finished() {
            assert!(Instant::now() < end, "it never ended");
            thread::yield_now();
        }
        thread.join().unwrap()
    }
}
