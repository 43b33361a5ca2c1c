//! The start: the address is bound first, and answered with 503 while the parts are built. A database that is away
//! is waited for.

use std::{
    net::TcpListener,
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{select, sync::oneshot, time::sleep};
use tollgate_config::Config;
use tollgate_http::{
    MetricsSource, Severity, Waiting, server,
    waiting::{self, Answering},
};

use crate::{error::StartError, signals::Signals, wire, wire::Parts};

/// How long clients are let wait in silence: a usual start takes less.
const SILENCE: Duration = Duration::from_millis(200);
/// How often a database that is away is tried.
const RETRY: Duration = Duration::from_millis(500);
/// How often the log says so.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// A server that may serve now.
pub struct Started {
    /// What it consists of.
    pub parts: Parts,
    /// Where it listens.
    pub listeners: Vec<TcpListener>,
    /// What answered there meanwhile.
    pub meanwhile: Option<Answering>,
}

/// Binds, and builds the parts, however long the database is away; `None` when told to end before.
///
/// # Errors
/// [`StartError`] when waiting would not help.
pub async fn start(
    config: &Config,
    metrics: MetricsSource,
    signals: &mut Signals,
) -> Result<Option<Started>, StartError> {
    let waiting = wire::waiting(config);
    let listeners = listen(config, &waiting)?;
    let mut built = pin!(build(config, metrics, &waiting)?);
    let mut meanwhile = None;
    loop {
        select! {
            built = &mut built => {
                let parts = built.map_err(|_panicked| std::io::Error::other("the start panicked"))??;
                return Ok(Some(Started { parts, listeners, meanwhile }));
            }
            () = sleep(SILENCE), if meanwhile.is_none() => {
                meanwhile = Some(answer(config, &waiting, &listeners)?);
            }
            signal = signals.told() => {
                tracing::info!("{signal} before the server was ready: ending");
                return Ok(None);
            }
        }
    }
}

/// Binds. Whoever starts a server twice by mistake is told of the first one rather than of the address.
fn listen(config: &Config, waiting: &Waiting) -> Result<Vec<TcpListener>, StartError> {
    server::listen(&waiting.settings).map_err(|source| {
        wire::other_server(config)
            .unwrap_or_else(|| StartError::Listen { addresses: addresses(config), source })
    })
}

/// Where the server listens, and what sets that.
pub fn addresses(config: &Config) -> String {
    let metrics = config.server.metrics_bind.map(|address| format!(" or {address} (TOLLGATE_METRICS_BIND)"));
    format!("{} (TOLLGATE_BIND){}", config.server.bind, metrics.unwrap_or_default())
}

/// What the start may wait for.
const AWAITED: [&str; 2] = ["database", "spool"];

/// Answers on copies of the sockets.
fn answer(config: &Config, waiting: &Waiting, listeners: &[TcpListener]) -> Result<Answering, StartError> {
    let copies = listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>();
    let answering = copies.and_then(|copies| waiting::run(waiting.clone(), copies));
    answering.map_err(|source| StartError::Listen { addresses: addresses(config), source })
}

/// Builds the parts on a thread that nobody joins: it may hang with the database.
fn build(
    config: &Config,
    metrics: MetricsSource,
    waiting: &Waiting,
) -> std::io::Result<oneshot::Receiver<Result<Parts, StartError>>> {
    let (config, waiting) = (config.clone(), waiting.clone());
    let (done, built) = oneshot::channel();
    thread::Builder::new().name("start".into()).spawn(move || {
        // Nobody is there any more to whom it could be told.
        done.send(patiently(&config, &metrics, &waiting)).unwrap_or_default();
    })?;
    Ok(built)
}

/// Builds the parts, anew as long as something is away that may come back.
fn patiently(config: &Config, metrics: &MetricsSource, waiting: &Waiting) -> Result<Parts, StartError> {
    let mut said: Option<(&str, Instant)> = None;
    loop {
        let error = match wire::build(config, Arc::clone(metrics), waiting) {
            Ok(parts) => {
                AWAITED.into_iter().for_each(|what| waiting.readiness.recovers(what));
                return Ok(parts);
            }
            Err(error) => error,
        };
        let Some(what) = error.awaited() else { return Err(error) };
        for other in AWAITED.into_iter().filter(|other| *other != what) {
            waiting.readiness.recovers(other);
        }
        waiting.readiness.fails(what, Severity::Stopping);
        if said.is_none_or(|(before, said)| before != what || said.elapsed() >= SAY_AGAIN) {
            tracing::warn!(cause = ?error, "waiting for the {what}: {error}");
            said = Some((what, Instant::now()));
        }
        thread::sleep(RETRY);
    }
}
