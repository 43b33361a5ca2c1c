//! The life of a server: start its jobs, listen, wait for the end, drain.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{select, sync::Notify, task::LocalSet};
use tollgate_config::{Config, Created, Loaded};
use tollgate_http::{
    Readiness, Severity,
    server::{self, Serving},
    waiting::Answering,
};
use tollgate_persistence::{LockError, OutsideHead, ServerLock, Standing};
use tollgate_store::{Directory, Freshness, Stores};
use tollgate_telemetry::Metrics;
use tollgate_usage::Recorder;

use crate::{
    audit_head,
    error::StartError,
    greeting,
    jobs::Jobs,
    mail,
    signals::Signals,
    start::{Started, addresses, start},
    upkeep,
    wire::{self, Parts},
};

/// How often changes of other processes are looked for.
const FRESHNESS: Duration = Duration::from_millis(250);
/// How often events are folded when nobody asks.
const FOLD: Duration = Duration::from_secs(5);
/// How often the lock on the database is looked after.
const LOCK: Duration = Duration::from_secs(1);
/// How often windows are saved.
const WINDOWS: Duration = Duration::from_secs(60);
/// How often the head of the audit log is written outside the database.
const AUDIT_HEAD: Duration = Duration::from_secs(60);
/// How often the months' partitions are looked after.
const PARTITIONS: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the end may take once running answers have ended or were cut off; what is not done by then is left to
/// the next start.
const MAX_END: Duration = Duration::from_secs(4);
/// How often the end looks whether what was cut off is recorded.
const LAST_RECORDS_PAUSE: Duration = Duration::from_millis(10);

/// Runs a server until it is told to end.
///
/// # Errors
/// [`StartError`] when it cannot start, or has to end because another server has the database.
pub fn run(loaded: &Loaded, created: &[Created], metrics: Metrics) -> Result<(), StartError> {
    let metrics = Arc::new(metrics);
    let text = Arc::clone(&metrics);
    // Without a system of actix's own, each worker's thread ends with its worker, and drops what still runs
    // there: so it is settled and recorded.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let started = local.block_on(&runtime, async {
        let mut signals = Signals::new()?;
        let started = start(&loaded.config, Arc::new(move || text.render()), &mut signals).await?;
        Ok::<_, StartError>(started.map(|started| (started, signals)))
    })?;
    let Some((Started { mut parts, listeners, meanwhile }, mut signals)) = started else { return Ok(()) };
    let lost = Arc::new(Lost::default());
    let jobs = start_jobs(&loaded.config, &parts, &metrics)?;
    let keeping = keep_lock(&mut parts, &lost)?;
    let folder = Arc::clone(&parts.folder);
    let folding = thread::Builder::new().name("folder".into()).spawn(move || folder.serve(FOLD))?;
    let served = local.block_on(&runtime, async {
        let address = listeners.first().and_then(|listener| listener.local_addr().ok());
        let serving = listen(&loaded.config, &parts, listeners, meanwhile).await?;
        say(loaded, created, address);
        select! {
            signal = signals.told() => tracing::info!("{signal}: finishing what runs"),
            () = lost.told.notified() => tracing::error!("the database belongs to another server: ending"),
        }
        parts.state.readiness.drain();
        if let Err(error) = serving.end().await {
            tracing::error!(%error, "the listener ended badly");
        }
        if lost.happened.load(Ordering::SeqCst) { Err(StartError::LockLost) } else { Ok(()) }
    });
    end(parts, jobs, folding);
    // The next server begins where this one has ended: not before its last record and its last fold.
    keeping.end();
    served
}

/// Records and folds what is left, as far as the database lets it: nothing here waits for one that hangs.
fn end(parts: Parts, jobs: Jobs, folding: JoinHandle<()>) {
    let end = Instant::now() + MAX_END;
    parts.saver.close();
    jobs.end();
    let left = until_recorded(&parts.recorder, end);
    if left > 0 {
        tracing::error!(requests = left, "the server ends before these were recorded");
    }
    let recorder = Arc::clone(&parts.recorder);
    within(end, "the last records", move || recorder.close());
    parts.folder.close();
    within(end, "the last fold", move || {
        if folding.join().is_err() {
            tracing::error!("the folder's thread panicked");
        }
    });
    within(end, "closing the database", move || drop(parts));
}

/// Waits until what was cut off at the end of the grace is recorded; how many requests are not.
fn until_recorded(recorder: &Recorder, end: Instant) -> usize {
    while recorder.open() > 0 && Instant::now() < end {
        thread::sleep(LAST_RECORDS_PAUSE);
    }
    recorder.open()
}

/// Does `work` on a thread of its own, which is left behind at `end`.
fn within(end: Instant, what: &'static str, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::sync_channel(1);
    let working = thread::Builder::new().name("end".into()).spawn(move || {
        work();
        // Nobody waits any more when it took too long.
        done.send(()).unwrap_or_default();
    });
    let left = end.saturating_duration_since(Instant::now());
    if working.is_err() || ended.recv_timeout(left).is_err() {
        tracing::warn!("the server ends before {what}: the next start goes on from there");
    }
}

/// Serves on the sockets on which `meanwhile` has answered until now.
async fn listen(
    config: &Config,
    parts: &Parts,
    listeners: Vec<TcpListener>,
    meanwhile: Option<Answering>,
) -> Result<Serving, StartError> {
    let worker = Arc::clone(&parts.worker);
    let serving = server::run(parts.state.clone(), listeners, move || worker())
        .map_err(|source| StartError::Listen { addresses: addresses(config), source })?;
    if let Some(answering) = meanwhile {
        answering.end().await;
    }
    parts.state.readiness.serve();
    Ok(serving)
}

#[expect(clippy::print_stdout, reason = "the server's first words are for whoever started it")]
fn say(loaded: &Loaded, created: &[Created], address: Option<SocketAddr>) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if wire::is_shared(&loaded.config) {
        tracing::warn!("cluster.allow_inexact: each server counts limits and quotas for itself");
    }
    let Some(address) = address else { return };
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    println!("{}", greeting::text(loaded, created, address));
}

/// Whether the lock on the database was lost to another server.
#[derive(Default)]
struct Lost {
    happened: AtomicBool,
    told: Notify,
}

fn start_jobs(config: &Config, parts: &Parts, metrics: &Arc<Metrics>) -> Result<Jobs, StartError> {
    let mut jobs = Jobs::default();
    let mut memory = Memory {
        freshness: parts.freshness.clone(),
        fresh_at: Instant::now(),
        max_stale: Duration::from_secs(60).saturating_mul(config.cache.max_stale_minutes),
        stores: parts.stores.clone(),
        directory: Arc::clone(&parts.directory),
        recorder: Arc::clone(&parts.recorder),
        readiness: Arc::clone(&parts.state.readiness),
    };
    jobs.every("freshness", FRESHNESS, move || memory.step())?;
    let (recorder, readiness) = (Arc::clone(&parts.recorder), Arc::clone(&parts.state.readiness));
    jobs.every("spool", FRESHNESS, move || {
        // Nothing is admitted then either.
        if recorder.can_store() {
            readiness.recovers("spool");
        } else {
            readiness.fails("spool", Severity::Stopping);
        }
    })?;
    let (db, clock) = (parts.db.clone(), Arc::clone(&parts.clock));
    let folder = Arc::clone(&parts.folder);
    jobs.every("partitions", PARTITIONS, move || {
        if let Err(error) = db.ensure_partitions(clock.now()) {
            tracing::error!(cause = ?error, "the coming months' partitions could not be made");
        }
        if let Err(error) = folder.retire_streams() {
            tracing::warn!(cause = ?error, "streams of events that ended could not be forgotten");
        }
    })?;
    let saver = Arc::clone(&parts.saver);
    jobs.every("windows", WINDOWS, move || saver.step())?;
    upkeep::start(&mut jobs, &parts.state.accounts, &parts.clock)?;
    mail::start(&mut jobs, &parts.state.accounts, &parts.mails)?;
    let outside = OutsideHead::in_folder(&config.server.data_dir);
    let mut keeper = audit_head::Keeper::new(Arc::clone(&parts.state.accounts), outside);
    jobs.every("audit-head", AUDIT_HEAD, move || keeper.step())?;
    let metrics = Arc::clone(metrics);
    let directory = Arc::clone(&parts.directory);
    jobs.every("metrics", Duration::from_secs(tollgate_telemetry::UPKEEP_SECONDS), move || {
        metrics.upkeep();
        let entries = u32::try_from(directory.len()).unwrap_or(u32::MAX);
        metrics::gauge!("tollgate_cache_entries").set(f64::from(entries));
    })?;
    Ok(jobs)
}

/// Looks after the lock on the database until the very end.
fn keep_lock(parts: &mut Parts, lost: &Arc<Lost>) -> Result<Jobs, StartError> {
    let mut jobs = Jobs::default();
    if let Some(lock) = parts.lock.take() {
        let mut keeper = Keeper { lock, lost: Arc::clone(lost), in_trouble: false };
        jobs.every("lock", LOCK, move || keeper.step())?;
    }
    Ok(jobs)
}

/// Keeps the lock on the database.
struct Keeper {
    lock: ServerLock,
    lost: Arc<Lost>,
    /// Whether the log has been told that it is not known to be held.
    in_trouble: bool,
}

impl Keeper {
    /// A lock that went with its connection is taken again, unless another server has it by now. A database
    /// that does not answer has not given it to anybody else.
    fn step(&mut self) {
        let trouble = match self.lock.still_held() {
            Standing::Held => None,
            Standing::NoAnswer => Some("the database does not say whether its lock is still held".to_owned()),
            Standing::Lost => match self.lock.retake() {
                Ok(()) => None,
                Err(LockError::HeldElsewhere | LockError::HeldByProcess { .. }) => {
                    self.lost.happened.store(true, Ordering::SeqCst);
                    self.lost.told.notify_one();
                    None
                }
                Err(error @ (LockError::File { .. } | LockError::Open(_))) => {
                    Some(format!("the lock on the database is lost with its connection: {error}"))
                }
            },
        };
        match &trouble {
            Some(trouble) if !self.in_trouble => tracing::warn!("{trouble}; trying again"),
            None if self.in_trouble => tracing::info!("the lock on the database is looked after again"),
            Some(_) | None => {}
        }
        self.in_trouble = trouble.is_some();
    }
}

/// What is remembered, kept fresh.
struct Memory {
    freshness: Freshness,
    fresh_at: Instant,
    max_stale: Duration,
    stores: Stores,
    directory: Arc<Directory>,
    recorder: Arc<Recorder>,
    readiness: Arc<Readiness>,
}

impl Memory {
    fn step(&mut self) {
        match self.freshness.step(&self.stores, &self.directory) {
            Ok(()) => {
                self.fresh_at = Instant::now();
                // One that can be read takes events no more where it is read-only, locked or full.
                if self.recorder.is_database_away() {
                    self.readiness.fails("database", Severity::Degrading);
                } else {
                    self.readiness.recovers("database");
                }
            }
            // What is known is served on, but not for ever.
            Err(_away) if self.fresh_at.elapsed() < self.max_stale => {
                self.readiness.fails("database", Severity::Degrading);
            }
            Err(_away) => {
                self.directory.forget_all();
                self.readiness.fails("database", Severity::Stopping);
            }
        }
    }
}
