//! The only place that names the adapters: from the configuration to a server ready to listen.

use std::{num::NonZero, rc::Rc, sync::Arc, thread, time::Duration};

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tollgate_accounts::{Accounts, AccountsSettings, RegistrationPolicy};
use tollgate_config::{
    Config, DatabaseUrl, RegistrationMode,
    system::{OsRandomness, SystemClock},
};
use tollgate_domain::{Clock, Pepper, Randomness};
use tollgate_gate::{Authenticator, Line, LineSettings, Shared};
use tollgate_http::{
    HttpSettings, MetricsAccess, MetricsSource, Pools, Readiness, State,
    gate::{Bodies, Worker, WorkerTimer},
};
use tollgate_persistence::{Db, ServerLock, Settings, Url};
use tollgate_providers::{HttpUpstream, Providers};
use tollgate_store::{Directory, Stores};
use tollgate_usage::{Folder, MemoryMeter, Meter, Recorder, RecorderSettings};

use crate::{catalogue, error::StartError};

/// How far back windows reach.
const LONGEST_WINDOW: TimeDelta = TimeDelta::days(1);
/// How long an idle connection of a client stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send a request's head.
const CLIENT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a second server waits for the first to go (Postgres).
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Everything that a running server consists of, but for its listener.
pub struct Parts {
    /// What handlers work with.
    pub state: State,
    /// Makes each worker's own part.
    pub worker: Arc<dyn Fn() -> Worker + Send + Sync>,
    /// The database.
    pub db: Db,
    /// The ports to it.
    pub stores: Stores,
    /// The memory of keys, users and sessions.
    pub directory: Arc<Directory>,
    /// Writes events.
    pub recorder: Arc<Recorder>,
    /// Sums events.
    pub folder: Arc<Folder>,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Keeps other servers off the database, unless several may use it.
    pub lock: Option<ServerLock>,
}

/// What of the configuration only the adapters can judge.
///
/// # Errors
/// [`StartError`] says what is wrong.
pub fn check(config: &Config) -> Result<(), StartError> {
    Ok(tollgate_persistence::open::check_url(&database_url(&config.database.url))?)
}

/// Builds every part: opens the database, brings the sums up to date and restores the windows.
///
/// # Errors
/// [`StartError`] says which part could not be built, and why.
pub fn build(config: &Config, metrics: MetricsSource) -> Result<Parts, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let random: Arc<dyn Randomness> = Arc::new(OsRandomness);
    let url = database_url(&config.database.url);
    let several = config.cluster.allow_inexact && matches!(url, Url::Postgres(_));
    let lock = if several { None } else { Some(ServerLock::take(&url, LOCK_PATIENCE)?) };
    let cache_bytes = usize::try_from(config.cache.max_bytes).unwrap_or(usize::MAX);
    let directory = Arc::new(Directory::new(cache_bytes));
    let db = Db::open(&Settings::new(url.clone()), Arc::clone(&directory) as _, Arc::clone(&clock))?;
    let stores = db.stores();
    let folder = Arc::new(Folder::new(Arc::clone(&stores.events), Arc::clone(&clock)));
    folder.fold_to_end()?;
    let meter = restored_meter(&stores, &*clock)?;
    let recorder =
        Arc::new(Recorder::start(Arc::clone(&stores.events), record_settings(config), clock.now())?);
    let pepper = pepper(config)?;
    let pools = Pools::new(thread::available_parallelism().map_or(1, NonZero::get))?;
    let authenticator = Arc::new(Authenticator::new(
        Arc::clone(&directory),
        stores.clone(),
        pepper.clone(),
        Arc::clone(&clock),
        Arc::clone(&pools.lookups) as _,
    ));
    let shared = Arc::new(Shared {
        authenticator: Arc::clone(&authenticator),
        stores: stores.clone(),
        lookups: Arc::clone(&pools.lookups) as _,
        meter: meter as Arc<dyn Meter>,
        recorder: Arc::clone(&recorder),
        catalogue: catalogue::catalogue(config),
        prices: catalogue::prices(config),
        tiers: config.tiers,
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        settings: line_settings(config),
    });
    let accounts = Accounts::new(
        account_settings(config, pepper),
        stores.clone(),
        Arc::clone(&directory),
        Arc::clone(&clock),
        Arc::clone(&random),
    )?;
    accounts.warm_up();
    let state = State {
        accounts: Arc::new(accounts),
        authenticator,
        folder: Arc::clone(&folder),
        readiness: Arc::new(Readiness::default()),
        pools,
        metrics,
        clock: Arc::clone(&clock),
        random,
        settings: Arc::new(http_settings(config)),
    };
    let worker = worker(config, &clock, shared)?;
    Ok(Parts { state, worker, db, stores, directory, recorder, folder, clock, lock })
}

/// Makes each worker's line, with an HTTP client of its own.
fn worker(
    config: &Config,
    clock: &Arc<dyn Clock>,
    shared: Arc<Shared>,
) -> Result<Arc<dyn Fn() -> Worker + Send + Sync>, StartError> {
    let providers = Providers::new(catalogue::providers(config), clock)?;
    let max_body_bytes = usize::try_from(config.performance.max_gate_body_bytes).unwrap_or(usize::MAX);
    let bodies = Arc::<Bodies>::default();
    Ok(Arc::new(move || {
        let upstream = Rc::new(HttpUpstream::new(Arc::clone(&providers)));
        let line = Line::new(Arc::clone(&shared), upstream, Rc::new(WorkerTimer));
        Worker { line, max_body_bytes, bodies: Arc::clone(&bodies) }
    }))
}

/// A meter that knows the admissions of the last day.
fn restored_meter(stores: &Stores, clock: &dyn Clock) -> Result<Arc<MemoryMeter>, StartError> {
    let meter = MemoryMeter::new();
    stores.events.admitted_since(clock.now() - LONGEST_WINDOW, &mut |admitted| meter.restore(admitted))?;
    Ok(Arc::new(meter))
}

fn database_url(url: &DatabaseUrl) -> Url {
    match url {
        DatabaseUrl::Sqlite(path) => Url::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Url::Postgres(url.clone()),
    }
}

fn pepper(config: &Config) -> Result<Pepper, StartError> {
    let secrets: Vec<_> = config.secrets.pepper.iter().map(ExposeSecret::expose_secret).collect();
    Ok(Pepper::new(&secrets)?)
}

fn record_settings(config: &Config) -> RecorderSettings {
    RecorderSettings {
        max_open: config.record.max_open,
        max_wait: Duration::from_secs(config.record.max_wait_seconds.into()),
    }
}

fn line_settings(config: &Config) -> LineSettings {
    LineSettings {
        default_output_tokens: config.quota.default_output_tokens,
        tokenizer_factor_thousandths: config.quota.tokenizer_factor_thousandths.into(),
        image_tokens: config.quota.image_tokens,
        max_concurrent: config.performance.max_concurrent_requests,
    }
}

fn account_settings(config: &Config, pepper: Pepper) -> AccountsSettings {
    AccountsSettings {
        public_url: config.server.public_url.clone(),
        jwt_secrets: config.secrets.jwt.clone(),
        pepper,
        encryption_secrets: config.secrets.encryption.clone(),
        access_token_lifetime: TimeDelta::minutes(config.tokens.access_minutes.into()),
        session_lifetime: TimeDelta::days(config.tokens.refresh_days.into()),
        bcrypt_rounds: config.password.bcrypt_rounds,
        min_password_chars: config.password.min_length,
        default_permissions: config.authentication.default_permissions.clone(),
        key_prefix: config.keys.prefix.clone(),
        max_keys_per_user: config.keys.max_per_user,
        tiers: config.tiers,
        registration: registration(config),
    }
}

fn registration(config: &Config) -> RegistrationPolicy {
    match config.registration.mode {
        RegistrationMode::Open if config.registration.require_verified_email => {
            RegistrationPolicy::VerifiedOnly
        }
        RegistrationMode::Open => RegistrationPolicy::Open,
        RegistrationMode::Invite => RegistrationPolicy::InviteOnly,
        RegistrationMode::Closed => RegistrationPolicy::Closed,
    }
}

fn http_settings(config: &Config) -> HttpSettings {
    let development = !config.server.is_production();
    HttpSettings {
        bind: config.server.bind,
        metrics: match config.server.metrics_bind {
            Some(address) => MetricsAccess::At(address),
            None => MetricsAccess::Credentials { loopback: development },
        },
        workers: thread::available_parallelism().map_or(1, NonZero::get),
        keep_alive: KEEP_ALIVE,
        client_request_timeout: CLIENT_REQUEST_TIMEOUT,
        shutdown_grace: Duration::from_secs(config.shutdown.grace_seconds.into()),
        max_body_bytes: usize::try_from(config.performance.max_other_body_bytes).unwrap_or(usize::MAX),
        cors_origins: config.cors.origins.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        authentication_enabled: config.authentication.enabled,
    }
}
