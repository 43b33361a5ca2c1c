//! Ends the process at a named point, as a crash there would: what the kill tests are built on.
//!
//! Only with the cargo feature `abort-points`, which nothing released has. `TOLLGATE_ABORT_AT=append.before:37` ends
//! the process before it appends a group of events for the 37th time.

use std::{
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tollgate_config::system::OsRandomness;
use tollgate_domain::{EventId, Randomness, Time, UsageEvent};
use tollgate_store::{
    EventStore, Folded, Mark, OpenRequestStore, SpoolDepth, SpoolStore, StoreError, Stores, StreamId,
};
use tollgate_usage::RecorderStores;

/// The variable that names the point and, after a colon, the number of the passing there.
const VARIABLE: &str = "TOLLGATE_ABORT_AT";
/// How long after a commit the process lives on at the point `answer`, at most, in microseconds: last bytes
/// leave meanwhile.
const ANSWERING_MICROS: u16 = 2_000;

static POINT: OnceLock<Option<Point>> = OnceLock::new();

struct Point {
    name: String,
    left: AtomicU64,
}

impl Point {
    #[expect(clippy::disallowed_methods, reason = "no configuration: nothing that is released has this file")]
    fn of_process() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        let Some((name, count)) = text.split_once(':') else {
            tracing::error!("{VARIABLE} must be POINT:COUNT");
            return None;
        };
        Some(Self { name: name.to_owned(), left: AtomicU64::new(count.parse().unwrap_or(1)) })
    }
}

/// Whether this is the passing by the point `name` at which the process is to end.
fn is_due(name: &str) -> bool {
    let point = POINT.get_or_init(Point::of_process).as_ref();
    point.is_some_and(|point| point.name == name && point.left.fetch_sub(1, Ordering::SeqCst) == 1)
}

fn pass(name: &str) {
    if is_due(name) {
        process::abort();
    }
}

/// Ends the process while the answers leave that waited for a commit.
fn pass_answers() {
    if is_due("answer") {
        let mut bytes = [0; 2];
        OsRandomness.fill(&mut bytes);
        let micros = u16::from_le_bytes(bytes) % ANSWERING_MICROS;
        thread::spawn(move || {
            thread::sleep(Duration::from_micros(micros.into()));
            process::abort();
        });
    }
}

/// The stores, with points: of the database `append.before`, `append.after`, `answer`, `fold.before` and `fold.after`;
/// of the spool `spool.before`, `spool.after`, and `drain.before` and `drain.after` about the moment in which it
/// forgets what the database has.
pub fn with_points(stores: Stores, recorder: RecorderStores) -> (Stores, RecorderStores) {
    let events: Arc<dyn EventStore> = Arc::new(Events(stores.events));
    let spool: Arc<dyn SpoolStore> = Arc::new(Spool(recorder.spool));
    let recorder = RecorderStores { events: Arc::clone(&events), spool, ..recorder };
    (Stores { events, ..stores }, recorder)
}

struct Events(Arc<dyn EventStore>);

impl EventStore for Events {
    fn open_stream(&self, now: Time) -> Result<StreamId, StoreError> {
        self.0.open_stream(now)
    }

    fn append(
        &self,
        stream: StreamId,
        first_seq: i64,
        events: Arc<[UsageEvent]>,
        patience: Duration,
    ) -> Result<(), StoreError> {
        pass("append.before");
        self.0.append(stream, first_seq, events, patience)?;
        pass("append.after");
        pass_answers();
        Ok(())
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn fold(&self, limit: u32, until: &Mark) -> Result<Folded, StoreError> {
        pass("fold.before");
        let folded = self.0.fold(limit, until)?;
        pass("fold.after");
        Ok(folded)
    }

    fn retire_streams(&self, before: Time) -> Result<u64, StoreError> {
        self.0.retire_streams(before)
    }
}

struct Spool(Arc<dyn SpoolStore>);

impl SpoolStore for Spool {
    fn append(&self, events: &[UsageEvent]) -> Result<(), StoreError> {
        pass("spool.before");
        self.0.append(events)?;
        pass("spool.after");
        Ok(())
    }

    fn oldest(&self, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        self.0.oldest(limit)
    }

    fn remove(&self, events: &[EventId]) -> Result<(), StoreError> {
        pass("drain.before");
        self.0.remove(events)?;
        pass("drain.after");
        Ok(())
    }

    fn reject(&self, event: &UsageEvent, reason: &str, now: Time) -> Result<(), StoreError> {
        self.0.reject(event, reason, now)
    }

    fn depth(&self) -> Result<SpoolDepth, StoreError> {
        self.0.depth()
    }
}

impl OpenRequestStore for Spool {
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, patience: Duration) -> Result<(), StoreError> {
        self.0.keep(requests, now, patience)
    }

    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        self.0.kept(before, limit)
    }

    fn forget(&self, requests: Arc<[EventId]>, patience: Duration) -> Result<(), StoreError> {
        self.0.forget(requests, patience)
    }
}
