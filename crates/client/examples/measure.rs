//! How many verifications a second pass through the guard: asked each time, remembered, and charged.
//!
//! ```sh
//! TOLLGATE_SERVICE_KEY=sk_live_tg_… TOLLGATE_KEY=sk_live_tg_… \
//!     cargo run --release -p tollgate-client --example measure -- http://127.0.0.1:8000 --callers 64 --seconds 5
//! ```
//!
//! The key needs limits and a quota beyond what is measured: what is refused is counted apart. Threads are as
//! actix-web's: each with a runtime of its own, all with one guard.

#![expect(clippy::print_stdout, reason = "its only output")]

use std::{
    collections::BTreeMap,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use secrecy::SecretString;
use tollgate_client::{Credential, Guard, Question, Settings};

#[derive(Parser)]
struct Arguments {
    /// Tollgate's address
    base_url: String,
    /// A key that holds keys:verify
    #[arg(long, env = "TOLLGATE_SERVICE_KEY", hide_env_values = true)]
    service_key: SecretString,
    /// The key that is asked about
    #[arg(long, env = "TOLLGATE_KEY", hide_env_values = true)]
    key: SecretString,
    /// Callers at once, each of which asks again as soon as it was answered; also the most connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    callers: u16,
    /// Threads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Tokens of each charge
    #[arg(long, default_value_t = 1)]
    cost: u64,
}

/// What is done again and again.
#[derive(Clone, Copy)]
enum Work {
    Check,
    Charge(u64),
}

/// How long calls took: counts by time, each step a sixteenth of its power of two.
#[derive(Default)]
struct Times {
    counts: BTreeMap<u64, u64>,
    denied: BTreeMap<String, u64>,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(16);
        let step = 1 << (nanos.ilog2() - 4);
        *self.counts.entry(nanos / step * step).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(key, count)| *self.counts.entry(key).or_default() += count);
        other.denied.into_iter().for_each(|(key, count)| *self.denied.entry(key).or_default() += count);
    }

    /// The time that so many in a thousand do not exceed.
    fn quantile(&self, per_mille: u64) -> Duration {
        let mut left = self.count() * per_mille / 1_000;
        let found = self.counts.iter().find(|(_, count)| {
            let found = left < **count;
            left = left.saturating_sub(**count);
            found
        });
        Duration::from_nanos(found.map_or(0, |(nanos, _)| *nanos))
    }

    fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let settings = Settings {
        max_in_flight: arguments.callers.into(),
        ..Settings::new(&arguments.base_url, arguments.service_key.clone())
    };
    let forgetful = Settings { cache: Duration::ZERO, ..settings.clone() };
    for (name, settings, work) in [
        ("checks, asked each time", forgetful, Work::Check),
        ("checks, remembered for 1 s", settings.clone(), Work::Check),
        ("charges", settings, Work::Charge(arguments.cost)),
    ] {
        let guard = Guard::new(settings)?;
        let (times, took) = measure(&arguments, &guard, work)?;
        let rate = u128::from(times.count()) * 1_000_000_000 / took.as_nanos().max(1);
        let (half, most) = (times.quantile(500), times.quantile(990));
        println!("{name:<28} {rate:>9}/s   p50 {half:>9.1?}   p99 {most:>9.1?}");
        for (reason, count) in &times.denied {
            println!("    denied {count} times: {reason}");
        }
    }
    Ok(())
}

fn measure(arguments: &Arguments, guard: &Guard, work: Work) -> Result<(Times, Duration), Box<dyn Error>> {
    let began = Instant::now();
    let until = began + Duration::from_secs(arguments.seconds);
    let mut threads = Vec::new();
    for number in 0..arguments.threads {
        let callers =
            arguments.callers / arguments.threads + u16::from(number < arguments.callers % arguments.threads);
        let (guard, key) = (guard.clone(), arguments.key.clone());
        threads.push(thread::spawn(move || on_a_thread(&guard, &key, callers, work, until)));
    }
    let mut all = Times::default();
    for thread in threads {
        all.merge(thread.join().map_err(|_panic| "a thread has panicked")??);
    }
    Ok((all, began.elapsed()))
}

fn on_a_thread(
    guard: &Guard,
    key: &SecretString,
    callers: u16,
    work: Work,
    until: Instant,
) -> Result<Times, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let callers = (0..callers).map(|_| call(guard, key, work, until));
    let mut all = Times::default();
    for times in runtime.block_on(futures::future::join_all(callers)) {
        all.merge(times);
    }
    Ok(all)
}

async fn call(guard: &Guard, key: &SecretString, work: Work, until: Instant) -> Times {
    let credential = Credential::new(secrecy::ExposeSecret::expose_secret(key));
    let question = Question::default();
    let mut times = Times::default();
    loop {
        let began = Instant::now();
        if began >= until {
            return times;
        }
        let answer = match work {
            Work::Check => guard.check(&credential, &question).await,
            Work::Charge(cost) => guard.charge(&credential, &question, cost).await,
        };
        match answer {
            Ok(_) => times.add(began.elapsed()),
            Err(denied) => *times.denied.entry(denied.to_string()).or_default() += 1,
        }
        // What is remembered is answered without waiting: the others want to ask as well.
        tokio::task::yield_now().await;
    }
}
