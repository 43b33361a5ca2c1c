//! What the tests of the line share: a playable provider, stores that can be held or fail, and a house that
//! has a line with all that it needs.

mod events;
mod player;
mod rows;
mod setup;
mod time;

use std::{
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::TimeDelta;
use futures::{
    FutureExt, StreamExt,
    channel::{mpsc, oneshot},
    executor::LocalPool,
    future::RemoteHandle,
    task::LocalSpawnExt,
};
use tollgate_domain::{Clock, Pepper, Randomness, Tiers, UsageEvent};
use tollgate_store::{Directory, Stores};
use tollgate_usage::{MemoryMeter, Recorder, RecorderSettings, RecorderStores};

use crate::{
    Authenticator, Blocking, BodyError, Call, Catalogue, Credential, Endpoint, Line, LineSettings,
    ProviderInfo, Refusal, Reply, ReplyStream, Shared, UpstreamError,
    reply::{CutOff, Metered},
    upstream::Frame,
};

use events::{Events, NoSpool};
use player::Player;
pub use player::{Play, content, done, error, frames, usage, usage_only, whole};
use rows::{Rows, rows};
pub use setup::Setup;
pub use time::at;
use time::{HandTimer, SetClock};

/// Beyond this a test that waits for a condition has failed; nothing that works comes near it.
const FAILED: Duration = Duration::from_secs(60);

/// The steps in which time passes: shorter than any that the line waits.
const STEP: Duration = Duration::from_millis(500);
/// Stands in a test's view of a stream where it breaks off.
pub const CUT_OFF: &str = "(cut off)";

/// Counts up: no two ids are the same.
#[derive(Default)]
struct Counting(AtomicU64);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.fill(0);
        let length = buffer.len().min(8);
        let start = buffer.len() - length;
        buffer[start..].copy_from_slice(&number[8 - length..]);
    }
}

/// Runs what it is given at once, unless it is full.
#[derive(Default)]
pub struct AtOnce {
    pub full: Mutex<bool>,
    pub jobs: AtomicUsize,
}

impl Blocking for AtOnce {
    fn submit(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        let full = *self.full.lock().unwrap();
        if !full {
            self.jobs.fetch_add(1, Ordering::SeqCst);
            job();
        }
        !full
    }
}

/// A line and everything around it.
pub struct House {
    pub line: Line,
    pub meter: Arc<MemoryMeter>,
    pub recorder: Arc<Recorder>,
    pub events: Arc<Events>,
    pub rows: Arc<Rows>,
    pub lookups: Arc<AtOnce>,
    pub upstream: Rc<Player>,
    pub timer: Rc<HandTimer>,
    pub clock: Arc<SetClock>,
    pub secret: String,
    pool: LocalPool,
}

fn catalogue(max_output_tokens: Option<u64>) -> Catalogue {
    let provider =
        ProviderInfo { name: "p".into(), models: vec!["m".into()], default_model: None, test: false };
    let model = crate::Model {
        name: "m".into(),
        candidates: vec![("p".into(), "theirs".into())],
        max_output_tokens,
        output_limit_field: None,
    };
    Catalogue {
        providers: std::iter::once((Arc::clone(&provider.name), provider)).collect(),
        models: vec![model],
        default_provider: Some("p".into()),
    }
}

impl House {
    pub fn new(setup: Setup) -> Self {
        let now = at("2026-11-21T12:00:00Z");
        let clock = Arc::new(SetClock(Mutex::new(now)));
        let random: Arc<dyn Randomness> = Arc::new(Counting::default());
        let pepper = Pepper::new(&["pepper"]).unwrap();
        let (rows, secret) = rows(&setup, now, &*random, &pepper);
        let rows = Arc::new(rows);
        let events = Arc::<Events>::default();
        let stores = Stores {
            users: Arc::clone(&rows) as _,
            keys: Arc::clone(&rows) as _,
            sessions: Arc::clone(&rows) as _,
            changes: Arc::clone(&rows) as _,
            events: Arc::clone(&events) as _,
            open_requests: Arc::clone(&events) as _,
            usage: Arc::clone(&rows) as _,
            windows: Arc::clone(&events) as _,
            devices: Arc::new(tollgate_testkit::Absent),
            web_sessions: Arc::new(tollgate_testkit::Absent),
            external_identities: Arc::new(tollgate_testkit::Absent),
            second_factors: Arc::new(tollgate_testkit::Absent),
            attempts: Arc::new(tollgate_testkit::Absent),
            audit: Arc::new(tollgate_testkit::Absent),
            erasures: Arc::new(tollgate_testkit::Absent),
            outbox: Arc::new(tollgate_testkit::Absent),
            idempotency: Arc::new(tollgate_testkit::Absent),
            mails: Arc::clone(&rows) as _,
            mail_tokens: Arc::new(tollgate_testkit::Absent),
        };
        let lookups = Arc::<AtOnce>::default();
        let directory = Arc::new(Directory::new(1_000_000));
        let (asked, ticking) =
            (Arc::clone(&lookups) as Arc<dyn Blocking>, Arc::clone(&clock) as Arc<dyn Clock>);
        let authenticator = Authenticator::new(
            directory,
            stores.clone(),
            pepper,
            Arc::clone(&ticking),
            Arc::clone(&asked),
            setup.unknown_keys_per_hour,
        );
        let authenticator = if setup.anonymous { authenticator.with_anonymous() } else { authenticator };
        let settings = RecorderSettings { max_open: setup.max_open, max_wait: setup.max_wait };
        let recorder_stores = RecorderStores {
            events: Arc::clone(&events) as _,
            open_requests: Arc::clone(&events) as _,
            spool: Arc::new(NoSpool),
        };
        let recorder = Arc::new(Recorder::start(recorder_stores, settings, &ticking).unwrap());
        let meter = Arc::new(MemoryMeter::new());
        let shared = Shared {
            authenticator: Arc::new(authenticator),
            stores,
            lookups: asked,
            meter: Arc::clone(&meter) as _,
            recorder: Arc::clone(&recorder),
            catalogue: (setup.catalogue)(catalogue(setup.max_output_tokens)),
            prices: setup.prices,
            tiers: Tiers::default(),
            clock: ticking,
            random,
            settings: LineSettings {
                default_output_tokens: 4_096,
                tokenizer_factor_thousandths: 1_500,
                image_tokens: 4_096,
                max_concurrent: setup.max_concurrent,
            },
        };
        let upstream = Rc::<Player>::default();
        let timer = Rc::<HandTimer>::default();
        let line = Line::new(Arc::new(shared), Rc::clone(&upstream) as _, Rc::clone(&timer) as _);
        let pool = LocalPool::new();
        Self { line, meter, recorder, events, rows, lookups, upstream, timer, clock, secret, pool }
    }

    pub fn plain() -> Self {
        Self::new(Setup::default())
    }

    /// Tells the provider what to answer next.
    pub fn play(&self, play: Play) {
        self.upstream.plays.borrow_mut().push_back(play);
    }

    /// Has the provider answer as the test sends.
    pub fn play_live(&self) -> mpsc::Sender<Result<Frame, UpstreamError>> {
        let (frames, live) = mpsc::channel(100);
        self.play(Play::Live(live));
        frames
    }

    pub fn call(&self, endpoint: Endpoint, body: Result<&str, BodyError>) -> Call {
        let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        Call {
            endpoint,
            credential: Credential::ApiKey(self.secret.clone()),
            body: std::future::ready(body).boxed_local(),
            request_id: "r".into(),
            ip: Some([192, 0, 2, 1].into()),
            user_agent: Some("test\r\n".into()),
        }
    }

    /// Runs a call as a task of its own; dropping the task ends it in mid-flight.
    pub fn spawn(&self, call: Call) -> (RemoteHandle<()>, oneshot::Receiver<Reply>) {
        let (reply, answer) = oneshot::channel();
        (self.spawn_task(self.line.clone().run(call, reply)), answer)
    }

    /// Runs anything so.
    pub fn spawn_task<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> RemoteHandle<T> {
        self.pool.spawner().spawn_local_with_handle(task).unwrap()
    }

    /// Starts a chat that nobody drops.
    pub fn start(&self, body: &str) -> oneshot::Receiver<Reply> {
        let (task, answer) = self.spawn(self.call(Endpoint::ChatCompletions, Ok(body)));
        task.forget();
        answer
    }

    /// Lets every task go as far as it can.
    pub fn stall(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Lets the tasks run until `done` gives something.
    pub fn until<T>(&mut self, what: &str, mut done: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + FAILED;
        loop {
            self.stall();
            if let Some(done) = done(self) {
                return done;
            }
            assert!(Instant::now() < end, "{what} never came");
            std::thread::yield_now();
        }
    }

    /// Waits for the answer.
    pub fn answer(&mut self, answer: &mut oneshot::Receiver<Reply>) -> Reply {
        self.until("the answer", |_| answer.try_recv().expect("the line answers"))
    }

    pub fn ask(&mut self, endpoint: Endpoint, body: Result<&str, BodyError>) -> Reply {
        let (task, mut answer) = self.spawn(self.call(endpoint, body));
        task.forget();
        self.answer(&mut answer)
    }

    /// A chat's whole answer.
    pub fn whole(&mut self, body: &str) -> (Metered, String) {
        match self.ask(Endpoint::ChatCompletions, Ok(body)) {
            Reply::Whole { metered, body } => (metered, String::from_utf8(body.to_vec()).unwrap()),
            other => panic!("{}", name(&other)),
        }
    }

    /// A chat's refusal.
    pub fn refused(&mut self, body: &str) -> (Refusal, Option<Metered>) {
        match self.ask(Endpoint::ChatCompletions, Ok(body)) {
            Reply::Refused { refusal, metered } => (*refusal, metered),
            other => panic!("{}", name(&other)),
        }
    }

    /// A chat's stream.
    pub fn streamed(&mut self, body: &str) -> (Metered, ReplyStream) {
        match self.ask(Endpoint::ChatCompletions, Ok(body)) {
            Reply::Stream { metered, body } => (metered, body),
            other => panic!("{}", name(&other)),
        }
    }

    /// Lets time pass, in steps between which the tasks go as far as they can.
    pub fn pass(&mut self, time: Duration) {
        let mut left = time;
        self.stall();
        while !left.is_zero() {
            let step = left.min(STEP);
            self.clock.advance(TimeDelta::from_std(step).unwrap());
            self.timer.advance(step);
            self.stall();
            left -= step;
        }
    }

    /// The next chunk of a stream, [`CUT_OFF`] where it breaks off; `None` at its end.
    pub fn next(&mut self, stream: &mut ReplyStream) -> Option<String> {
        let chunk = self.until("a chunk", |_| stream.next().now_or_never())?;
        let text = |chunk: Bytes| String::from_utf8(chunk.to_vec()).unwrap();
        Some(chunk.map_or_else(|CutOff| CUT_OFF.to_owned(), text))
    }

    /// All that is left of a stream.
    pub fn rest(&mut self, stream: &mut ReplyStream) -> String {
        let mut rest = String::new();
        while let Some(chunk) = self.next(stream) {
            rest.push_str(&chunk);
        }
        rest
    }

    /// Has the database come back, and waits until it has so many events and more are taken.
    pub fn recover(&mut self, events: usize) {
        self.events.go_down(false);
        let is_back = |house: &Self| house.events.all().len() == events && house.recorder.can_store();
        self.until("the record", |house| is_back(house).then_some(()));
    }

    /// Waits until nothing is open any more, ends the recorder, and gives what was recorded.
    pub fn settled(&mut self) -> Vec<UsageEvent> {
        self.until("the end", |house| (house.recorder.open() == 0).then_some(()));
        self.stall();
        assert_eq!(self.meter.open(), (0, 0), "nothing stays held");
        assert_eq!(self.upstream.running.get(), 0, "no call to the provider stays open");
        self.recorder.close();
        self.events.all()
    }

    /// The only event.
    pub fn settled_event(&mut self) -> UsageEvent {
        let mut events = self.settled();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// What the quota has used, and what each window has inside, now.
    pub fn counted(&mut self) -> (u64, [u64; 3]) {
        self.play(whole("", Some(usage(0, 0))));
        let (metered, _) = self.whole(r#"{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}"#);
        (metered.quota.unwrap().used, metered.readings.map(|reading| reading.used - 1))
    }

    /// The only request that reached the provider.
    pub fn asked(&self) -> serde_json::Value {
        let asked = self.upstream.asked.borrow();
        assert_eq!(asked.len(), 1);
        serde_json::from_slice(&asked[0].body).unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.events.let_go();
        self.events.go_down(false);
        self.recorder.close();
    }
}

fn name(reply: &Reply) -> String {
    match reply {
        Reply::Whole { body, .. } => format!("a whole answer: {}", body.escape_ascii()),
        Reply::Stream { .. } => "a stream".into(),
        Reply::Refused { refusal, .. } => format!("a refusal: {refusal:?}"),
    }
}

/// A chat with `max_tokens` and these fields beside.
pub fn chat(max_tokens: u64, more: &str) -> String {
    let messages = r#"[{"role":"user","content":"hello there"}]"#;
    format!(r#"{{"model":"m","max_tokens":{max_tokens},"messages":{messages}{more}}}"#)
}

/// The bytes of that chat's prompt.
pub const PROMPT: u64 = 39;
