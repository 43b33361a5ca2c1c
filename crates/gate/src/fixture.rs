//! What the tests of the line share: a playable provider, stores that can be held or fail, and a house that
//! has a line with all that it needs.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::TimeDelta;
use futures::{
    FutureExt, Stream, StreamExt,
    channel::{mpsc, oneshot},
    executor::LocalPool,
    future::{LocalBoxFuture, RemoteHandle},
    task::LocalSpawnExt,
};
use tollgate_billing::PriceBook;
use tollgate_domain::{
    ApiKey, AuditEntry, Clock, Environment, EventId, KeyHash, KeyId, KeyText, Pepper, Permissions,
    Randomness, Tiers, Time, UsageEvent, User, UserId,
};
use tollgate_store::{
    Changes, Credentials, Directory, Edit, EditorKey, Folded, KeyFilter, KeyTotals, ListedKey, Mark, NewKey,
    NewSession, NewUser, Page, PageRequest, SavedWindows, SpoolDepth, SpoolStore, Stats, StoreError, Stores,
    StreamId, UsageScope,
};
use tollgate_usage::{MemoryMeter, Recorder, RecorderSettings, RecorderStores};

use Environment::Live;

use crate::{
    Authenticator, Blocking, BodyError, Call, Catalogue, Credential, Endpoint, Line, LineSettings,
    ProviderInfo, Refusal, Reply, ReplyStream, Shared, Timer, Upstream, UpstreamAnswer, UpstreamError,
    UpstreamRequest,
    reply::{CutOff, Metered},
    upstream::{Completion, Frame, FrameKind, ReportedUsage},
};

/// Beyond this a test that waits for a condition has failed; nothing that works comes near it.
const FAILED: Duration = Duration::from_secs(60);

/// The steps in which time passes: shorter than any that the line waits.
const STEP: Duration = Duration::from_millis(500);
/// Stands in a test's view of a stream where it breaks off.
pub const CUT_OFF: &str = "(cut off)";

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub struct SetClock(Mutex<Time>);

impl SetClock {
    pub fn advance(&self, delta: TimeDelta) {
        *self.0.lock().unwrap() += delta;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

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

/// Time that passes when the test says so.
#[derive(Default)]
pub struct HandTimer {
    passed: Cell<Duration>,
    sleeps: RefCell<Vec<(Duration, oneshot::Sender<()>)>>,
    asked: Cell<usize>,
}

impl Timer for HandTimer {
    fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()> {
        self.asked.set(self.asked.get() + 1);
        let (wake, woken) = oneshot::channel();
        self.sleeps.borrow_mut().push((self.passed.get() + time, wake));
        woken.map(|woken| woken.expect("it sleeps until it is woken")).boxed_local()
    }
}

impl HandTimer {
    fn advance(&self, by: Duration) {
        self.passed.set(self.passed.get() + by);
        let mut sleeps = self.sleeps.borrow_mut();
        let due = sleeps.extract_if(.., |(until, _)| *until <= self.passed.get());
        due.for_each(|(_, wake)| wake.send(()).unwrap_or_default());
    }

    /// How often somebody began to sleep.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// How many sleep.
    pub fn sleeping(&self) -> usize {
        self.sleeps.borrow().iter().filter(|(_, wake)| !wake.is_canceled()).count()
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

#[derive(Default)]
struct State {
    held: bool,
    down: bool,
    poisoned: bool,
    calls: usize,
    events: Vec<UsageEvent>,
    kept: Vec<UsageEvent>,
}

/// Events in memory; `append` waits while it is held.
#[derive(Default)]
pub struct Events {
    state: Mutex<State>,
    turned: Condvar,
}

impl Events {
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn let_go(&self) {
        self.state().held = false;
        self.turned.notify_all();
    }

    pub fn go_down(&self, down: bool) {
        self.state().down = down;
    }

    pub fn refuse_values(&self) {
        self.state().poisoned = true;
    }

    pub fn calls(&self) -> usize {
        self.state().calls
    }

    pub fn all(&self) -> Vec<UsageEvent> {
        self.state().events.clone()
    }

    /// The rows of what runs, and of what was recorded and not forgotten yet.
    pub fn kept(&self) -> Vec<UsageEvent> {
        self.state().kept.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl tollgate_store::EventStore for Events {
    fn open_stream(&self, _now: Time) -> Result<StreamId, StoreError> {
        Ok(StreamId(1))
    }

    fn append(&self, _: StreamId, _: i64, events: Arc<[UsageEvent]>, _: Duration) -> Result<(), StoreError> {
        let mut state = self.state();
        state.calls += 1;
        let mut state = self.turned.wait_while(state, |state| state.held).unwrap();
        if state.down {
            return Err(StoreError::unavailable("down"));
        }
        if state.poisoned {
            return Err(StoreError::Rejected("poison".into()));
        }
        state.events.extend(events.iter().cloned());
        Ok(())
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        Ok(Mark::default())
    }

    fn fold(&self, _limit: u32, _until: &Mark) -> Result<Folded, StoreError> {
        Ok(Folded::default())
    }

    fn retire_streams(&self, _before: Time) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl tollgate_store::WindowStore for Events {
    fn save(&self, _limit: u32, _until: &Mark, _now: Time) -> Result<Folded, StoreError> {
        Ok(Folded::default())
    }

    fn load(&self, _each: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError> {
        Ok(())
    }
}

impl tollgate_store::OpenRequestStore for Events {
    fn keep(&self, requests: Arc<[UsageEvent]>, _: Time, _: Duration) -> Result<(), StoreError> {
        self.state().kept.extend(requests.iter().cloned());
        Ok(())
    }

    fn kept(&self, _: Time, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(self.state().kept.clone())
    }

    fn forget(&self, requests: Arc<[EventId]>, _: Duration) -> Result<(), StoreError> {
        self.state().kept.retain(|kept| !requests.contains(&kept.id));
        Ok(())
    }
}

/// A spool that takes nothing but what the database refuses: all else goes nowhere while that is away.
struct NoSpool;

impl SpoolStore for NoSpool {
    fn append(&self, _: &[UsageEvent]) -> Result<(), StoreError> {
        Err(StoreError::unavailable("no spool"))
    }

    fn oldest(&self, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn remove(&self, _: &[EventId]) -> Result<(), StoreError> {
        Ok(())
    }

    fn reject(&self, _: &UsageEvent, _: &str, _: Time) -> Result<(), StoreError> {
        Ok(())
    }

    fn depth(&self) -> Result<SpoolDepth, StoreError> {
        Ok(SpoolDepth::default())
    }
}

impl tollgate_store::OpenRequestStore for NoSpool {
    fn keep(&self, _: Arc<[UsageEvent]>, _: Time, _: Duration) -> Result<(), StoreError> {
        Err(StoreError::unavailable("no spool"))
    }

    fn kept(&self, _: Time, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn forget(&self, _: Arc<[EventId]>, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One user with one key, and what the user had used before.
pub struct Rows {
    pub hash: Mutex<KeyHash>,
    pub key: ApiKey,
    pub user: User,
    pub used: Mutex<Option<u64>>,
    pub asked: AtomicUsize,
}

fn unasked<T>() -> Result<T, StoreError> {
    panic!("the line asks for no such thing")
}

impl tollgate_store::KeyStore for Rows {
    fn by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        Ok((*hash == *self.hash.lock().unwrap()).then(|| self.key.clone()))
    }
    fn create(&self, _: &NewKey, _: u32, _: &[AuditEntry]) -> Result<bool, StoreError> {
        unasked()
    }
    fn by_id(&self, _: KeyId) -> Result<Option<ListedKey>, StoreError> {
        unasked()
    }
    fn list(&self, _: &KeyFilter, _: &PageRequest) -> Result<Page<ListedKey>, StoreError> {
        unasked()
    }
    fn edit(
        &self,
        _: KeyId,
        _: Edit<ApiKey>,
        _: Time,
        _: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        unasked()
    }
    fn revoke(
        &self,
        _: KeyId,
        _: Option<UserId>,
        _: Time,
        _: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        unasked()
    }
    fn revoke_descendants(
        &self,
        _: KeyId,
        _: Option<UserId>,
        _: Time,
        _: &tollgate_store::EntryOf,
    ) -> Result<Option<ApiKey>, StoreError> {
        unasked()
    }
    fn import(
        &self,
        _: &[tollgate_store::KeyImport],
        _: bool,
    ) -> Result<Vec<tollgate_store::Imported>, StoreError> {
        unasked()
    }
    fn rehash(&self, from: &KeyHash, to: &KeyHash) -> Result<bool, StoreError> {
        let mut hash = self.hash.lock().unwrap();
        let is_there = *hash == *from;
        if is_there {
            *hash = *to;
        }
        Ok(is_there)
    }
    fn rotate(&self, _: &tollgate_store::KeyRotation) -> Result<Option<ApiKey>, StoreError> {
        unasked()
    }
    fn editor(&self, _: UserId) -> Result<Option<EditorKey>, StoreError> {
        unasked()
    }
    fn create_editor(&self, _: &NewKey, _: &[AuditEntry]) -> Result<EditorKey, StoreError> {
        unasked()
    }
    fn ids_by_prefix(&self, _: &str, _: u32) -> Result<Vec<KeyId>, StoreError> {
        unasked()
    }
}

impl tollgate_store::UserStore for Rows {
    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok((id == self.user.id).then(|| self.user.clone()))
    }
    fn create(&self, _: &NewUser, _: Option<&NewKey>, _: &[AuditEntry]) -> Result<(), StoreError> {
        unasked()
    }
    fn by_email(&self, _: &tollgate_domain::Email) -> Result<Option<Credentials>, StoreError> {
        unasked()
    }
    fn by_external_id(&self, _: &str) -> Result<Option<User>, StoreError> {
        unasked()
    }
    fn edit(&self, _: UserId, _: Edit<User>, _: Time, _: &[AuditEntry]) -> Result<Option<User>, StoreError> {
        unasked()
    }
    fn credentials(&self, _: UserId) -> Result<Option<Credentials>, StoreError> {
        unasked()
    }
    fn set_password(&self, _: UserId, _: &str, _: Time, _: &[AuditEntry]) -> Result<bool, StoreError> {
        unasked()
    }
    fn change_password(&self, _: &tollgate_store::PasswordChange) -> Result<bool, StoreError> {
        unasked()
    }
    fn delete(&self, _: &tollgate_store::Deletion) -> Result<bool, StoreError> {
        unasked()
    }
    fn import(
        &self,
        _: &[tollgate_store::UserImport],
        _: bool,
    ) -> Result<Vec<tollgate_store::Imported>, StoreError> {
        unasked()
    }
    fn list(&self, _: &PageRequest, _: Option<&str>) -> Result<Page<User>, StoreError> {
        unasked()
    }
}

impl tollgate_store::SessionStore for Rows {
    fn open(&self, _: &NewSession) -> Result<bool, StoreError> {
        unasked()
    }
    fn by_id(&self, _: tollgate_domain::SessionId) -> Result<Option<tollgate_domain::Session>, StoreError> {
        unasked()
    }
    fn by_refresh(&self, _: &[u8; 32]) -> Result<Option<tollgate_domain::Session>, StoreError> {
        unasked()
    }
    fn rotate(&self, _: &tollgate_store::Rotation) -> Result<tollgate_store::Rotated, StoreError> {
        unasked()
    }
    fn list(
        &self,
        _: UserId,
        _: &PageRequest,
        _: Time,
    ) -> Result<Page<tollgate_store::ListedSession>, StoreError> {
        unasked()
    }
    fn end(
        &self,
        _: tollgate_domain::SessionId,
        _: Option<UserId>,
        _: Time,
        _: &[AuditEntry],
    ) -> Result<bool, StoreError> {
        unasked()
    }
    fn end_all(&self, _: UserId, _: Time, _: &[AuditEntry]) -> Result<u64, StoreError> {
        unasked()
    }
    fn forget(&self, _: Time, _: Time, _: u32) -> Result<u64, StoreError> {
        unasked()
    }
}

impl tollgate_store::MailStore for Rows {
    fn queue(&self, _: &tollgate_store::NewMail) -> Result<(), StoreError> {
        unreachable!()
    }
    fn take(&self, _: Time, _: Time) -> Result<Option<tollgate_store::DueMail>, StoreError> {
        unreachable!()
    }
    fn remove(&self, _: tollgate_domain::MailId) -> Result<(), StoreError> {
        unreachable!()
    }
    fn retry(&self, _: tollgate_domain::MailId, _: Time) -> Result<(), StoreError> {
        unreachable!()
    }
    fn waiting(&self) -> Result<u64, StoreError> {
        unreachable!()
    }
}

impl tollgate_store::ChangeStore for Rows {
    fn latest(&self) -> Result<i64, StoreError> {
        unasked()
    }
    fn since(&self, _: i64, _: u32) -> Result<Changes, StoreError> {
        unasked()
    }
}

impl tollgate_store::UsageStore for Rows {
    fn quota_used(&self, user: UserId, _: Environment, _: tollgate_domain::Month) -> Result<u64, StoreError> {
        assert_eq!(user, self.user.id);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.used.lock().unwrap().ok_or_else(|| StoreError::unavailable("down"))
    }
    fn stats(&self, _: &UsageScope, _: Time, _: Time) -> Result<Stats, StoreError> {
        unasked()
    }
    fn key_totals(
        &self,
        _: &[KeyId],
        _: Time,
    ) -> Result<std::collections::HashMap<KeyId, KeyTotals>, StoreError> {
        unasked()
    }
    fn events(
        &self,
        _: &UsageScope,
        _: u32,
        _: Option<tollgate_store::LogMark>,
    ) -> Result<tollgate_store::LogPage, StoreError> {
        unasked()
    }
}

/// How the provider answers one request.
pub enum Play {
    Whole(Completion),
    Refused(crate::upstream::ProviderError),
    Error(UpstreamError),
    /// All at once.
    Frames(Vec<Result<Frame, UpstreamError>>),
    /// As the test sends them.
    Live(mpsc::Receiver<Result<Frame, UpstreamError>>),
    /// Never.
    Silent,
    /// These, and then something is wrong with us.
    Panic(Vec<Frame>),
}

/// A provider that plays what it was told to, in order.
#[derive(Default)]
pub struct Player {
    plays: RefCell<VecDeque<Play>>,
    pub asked: RefCell<Vec<UpstreamRequest>>,
    /// Calls that are under way.
    pub running: Rc<Cell<usize>>,
}

struct Running(Rc<Cell<usize>>);

impl Running {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// `frames`, which run until they are dropped.
fn streaming(
    running: Running,
    frames: impl Stream<Item = Result<Frame, UpstreamError>> + 'static,
) -> futures::stream::LocalBoxStream<'static, Result<Frame, UpstreamError>> {
    frames.map(move |frame| (&running, frame).1).boxed_local()
}

impl Upstream for Player {
    fn send(&self, request: UpstreamRequest) -> LocalBoxFuture<'_, Result<UpstreamAnswer, UpstreamError>> {
        let running = Running::new(&self.running);
        async move {
            self.asked.borrow_mut().push(request);
            let play = self.plays.borrow_mut().pop_front().expect("the provider was told what to answer");
            match play {
                Play::Whole(completion) => Ok(UpstreamAnswer::Whole(completion)),
                Play::Refused(error) => Ok(UpstreamAnswer::Refused(error)),
                Play::Error(error) => Err(error),
                Play::Frames(frames) => {
                    Ok(UpstreamAnswer::Stream(streaming(running, futures::stream::iter(frames))))
                }
                Play::Live(frames) => Ok(UpstreamAnswer::Stream(streaming(running, frames))),
                Play::Panic(frames) if frames.is_empty() => panic!("played"),
                Play::Panic(frames) => {
                    let frames = futures::stream::iter(frames.into_iter().map(Ok));
                    let broken = futures::stream::once(async { panic!("played") });
                    Ok(UpstreamAnswer::Stream(streaming(running, frames.chain(broken))))
                }
                Play::Silent => {
                    let _running = running;
                    std::future::pending().await
                }
            }
        }
        .boxed_local()
    }
}

pub fn usage(prompt: u64, completion: u64) -> ReportedUsage {
    let total = Some(prompt + completion);
    ReportedUsage { prompt: Some(prompt), completion: Some(completion), total, ..ReportedUsage::default() }
}

pub fn whole(text: &str, usage: Option<ReportedUsage>) -> Play {
    Play::Whole(Completion {
        body: Bytes::from(format!("{{\"text\":\"{text}\"}}")),
        id: Some("chatcmpl-1".into()),
        text: text.into(),
        content: text.into(),
        usage,
    })
}

fn frame(kind: FrameKind, raw: String, text: &str) -> Frame {
    Frame {
        kind,
        raw: raw.into(),
        without_usage: None,
        text: text.into(),
        content: text.into(),
        id: Some("chatcmpl-1".into()),
        usage: None,
    }
}

pub fn content(text: &str) -> Frame {
    frame(FrameKind::Content, format!("data: {{\"delta\":\"{text}\"}}\n\n"), text)
}

/// The chunk of usage, alone.
pub fn usage_only(reported: ReportedUsage) -> Frame {
    Frame { usage: Some(reported), ..frame(FrameKind::UsageOnly, "data: {\"usage\":{}}\n\n".into(), "") }
}

pub fn done() -> Frame {
    frame(FrameKind::End, "data: [DONE]\n\n".into(), "")
}

pub fn error() -> Frame {
    frame(FrameKind::Error, "data: {\"error\":{\"message\":\"sk-operator\"}}\n\n".into(), "")
}

pub fn frames(frames: impl IntoIterator<Item = Frame>) -> Play {
    Play::Frames(frames.into_iter().map(Ok).collect())
}

/// What a house is built with.
pub struct Setup {
    pub tokens: u64,
    pub used: Option<u64>,
    pub max_concurrent: Option<u32>,
    pub unknown_keys_per_hour: u64,
    /// Whether the key is the one of requests without any.
    pub anonymous: bool,
    pub max_open: usize,
    pub max_wait: Duration,
    pub minute: Option<u64>,
    pub permissions: &'static str,
    pub prices: PriceBook,
    pub max_output_tokens: Option<u64>,
    pub edit: fn(&mut ApiKey, &mut User),
    pub catalogue: fn(Catalogue) -> Catalogue,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tokens: 10_000,
            used: Some(0),
            max_concurrent: None,
            unknown_keys_per_hour: 1_000,
            anonymous: false,
            max_open: 100,
            max_wait: Duration::from_secs(3_600),
            minute: None,
            permissions: "chat",
            prices: PriceBook::default(),
            max_output_tokens: None,
            edit: |_, _| {},
            catalogue: |catalogue| catalogue,
        }
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

fn rows(setup: &Setup, now: Time, random: &dyn Randomness, pepper: &Pepper) -> (Rows, String) {
    let text = KeyText::generate(None, Live, random);
    let user_id = UserId::new(now, random);
    let mut key = ApiKey {
        name: "k".into(),
        prefix: Live.built_in_prefix().into(),
        preview: text.preview(),
        permissions: Permissions::from_text(setup.permissions).unwrap(),
        ..ApiKey::blank(KeyId::new(now, random), user_id, now)
    };
    let limits = tollgate_domain::LimitOverrides { minute: setup.minute, ..Default::default() };
    let mut user = User {
        id: user_id,
        email: None,
        external_id: None,
        name: None,
        role: tollgate_domain::Role::User,
        tier: tollgate_domain::Tier::Free,
        is_active: true,
        is_verified: true,
        limits,
        monthly_token_limit: Some(setup.tokens),
        quota_floor: None,
        quota_grant: None,
        metadata: "{}".into(),
        created_at: now,
        updated_at: now,
    };
    (setup.edit)(&mut key, &mut user);
    let used = Mutex::new(setup.used);
    let hash = if setup.anonymous { pepper.anonymous_hashes()[0] } else { pepper.hash(&text) };
    let rows = Rows { hash: Mutex::new(hash), key, user, used, asked: AtomicUsize::new(0) };
    (rows, text.expose().to_owned())
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
