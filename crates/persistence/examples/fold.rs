//! Measures what a start after a crash waits for: events that are neither folded nor saved as windows.
//!
//! ```text
//! cargo run --release -p tollgate-persistence --example fold -- URL [EVENTS] [KEYS]
//! ```
//!
//! `URL` names an empty database (`sqlite://PATH` or `postgres://…`), which is migrated and filled; run again on
//! the same one, it has behind it what was there before. Prints seconds.

#![expect(clippy::print_stdout, reason = "its only output")]

use std::{
    env,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tollgate_domain::{
    Clock, Environment, EventId, KeyId, Month, Pepper, Randomness, RequestType, Time, Tokens, UsageEvent,
    UsageSource, UserId, clock::to_micros,
};
use tollgate_persistence::{Db, Settings};
use tollgate_store::{Change, ChangeListener, StoreError, event::MAX_GROUP};

const EVENTS: u32 = 100_000;
const KEYS: u32 = 1_000;
const MODELS: [&str; 3] = ["gpt-4o", "gpt-4o-mini", "o3"];
/// Events of a piece, as a server that starts takes them.
const PIECE: u32 = 50_000;
const PATIENCE: Duration = Duration::from_secs(30);

struct Machine;

impl Clock for Machine {
    #[expect(clippy::disallowed_methods, reason = "a program's clock")]
    fn now(&self) -> Time {
        to_micros(chrono::Utc::now())
    }
}

struct Nobody;

impl ChangeListener for Nobody {
    fn changed(&self, _: &[Change]) {}
}

/// Every number once.
struct Counting(AtomicU64);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            // An odd number and a power of two have no common factor.
            let number = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let bytes = number.to_be_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        }
    }
}

fn event(number: u32, time: Time, owner: (UserId, KeyId), random: &dyn Randomness) -> UsageEvent {
    let model = MODELS.iter().cycle().nth(usize::try_from(number % 7).unwrap_or(0)).copied();
    UsageEvent {
        id: EventId::new(time, random),
        time,
        month: Month::of(time),
        request_id: format!("req-{number}"),
        user_id: owner.0,
        api_key_id: owner.1,
        environment: Environment::Live,
        end_user: None,
        endpoint: "/v1/chat/completions".to_owned(),
        method: "POST".to_owned(),
        params: "{\"stream\":true}".to_owned(),
        status: 200,
        counts: true,
        request_bytes: 1_000,
        response_bytes: 2_000,
        duration_ms: u64::from(number % 997),
        upstream_ms: Some(240),
        provider: Some("openai".to_owned()),
        model: model.map(str::to_owned),
        upstream_model: Some("gpt-4o-2024-11-20".to_owned()),
        request_type: RequestType::Chat,
        tokens: Tokens { prompt: Some(100), completion: Some(50), cached: None, reasoning: None },
        usage_source: UsageSource::Reported,
        cost_pico: Some(15_000_000_000),
        own_key: false,
        repeat: 1,
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        error_code: None,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let url = words.next().ok_or("which database? sqlite://PATH or postgres://…")?;
    let events: u32 = words.next().map_or(Ok(EVENTS), |word| word.parse())?;
    let keys: u32 = words.next().map_or(Ok(KEYS), |word| word.parse())?;
    let db = Db::open(
        &Settings::new(url.parse()?, Pepper::new(&["pepper"])?),
        Arc::new(Nobody),
        Arc::new(Machine),
    )?;
    let stores = db.stores();
    let random = Counting(AtomicU64::new(u64::try_from(Machine.now().timestamp_micros())?));
    let owners: Vec<_> = (0..keys)
        .map(|_| (UserId::new(Machine.now(), &random), KeyId::new(Machine.now(), &random)))
        .collect();

    timed("append", || {
        let stream = stores.events.open_stream(Machine.now())?;
        let mut owners = owners.iter().cycle().copied();
        let mut all =
            (0..events).zip(&mut owners).map(|(number, owner)| event(number, Machine.now(), owner, &random));
        let mut seq = 1;
        loop {
            let group: Arc<[_]> = all.by_ref().take(MAX_GROUP).collect();
            if group.is_empty() {
                return Ok(());
            }
            let behind = i64::try_from(group.len()).unwrap_or(i64::MAX);
            stores.events.append(stream, seq, group, PATIENCE)?;
            seq += behind;
        }
    })?;

    let ready = Instant::now();
    let mark = stores.events.mark()?;
    println!("mark    {:.3} s", ready.elapsed().as_secs_f64());
    timed("fold", || {
        while stores.events.fold(PIECE, &mark)?.more {}
        Ok(())
    })?;
    timed("save", || {
        while stores.windows.save(PIECE, &mark, Machine.now())?.more {}
        Ok(())
    })?;
    let mut rows = 0_u32;
    timed("load", || stores.windows.load(&mut |_| rows = rows.saturating_add(1)))?;
    println!("all     {:.3} s, {events} events, {rows} keys", ready.elapsed().as_secs_f64());
    Ok(())
}

fn timed(what: &str, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let started = Instant::now();
    work()?;
    println!("{what:7} {:.3} s", started.elapsed().as_secs_f64());
    Ok(())
}
