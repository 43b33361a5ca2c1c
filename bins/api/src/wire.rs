//! The only place that names the adapters: from the configuration to a server ready to listen.

use std::{num::NonZero, rc::Rc, sync::Arc, thread, time::Duration};

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tollgate_accounts::{Accounts, AccountsSettings, AttemptLimits, RegistrationPolicy, mail::MailTransport};
use tollgate_config::{
    Config, DatabaseUrl, RegistrationMode,
    system::{IdRandomness, OsRandomness, SystemClock},
};
use tollgate_domain::{Clock, Pepper, Time};
use tollgate_gate::{Authenticator, Line, LineSettings, Shared};
use tollgate_http::{
    HttpSettings, ManagementCalls, MetricsAccess, MetricsSource, Pools, Readiness, State, Waiting,
    gate::{Bodies, Worker, WorkerTimer},
};
use tollgate_identity::{Issuer, Issuers};
use tollgate_persistence::{Db, LockError, ServerLock, Settings, Spool, Url};
use tollgate_providers::{HttpUpstream, Providers};
use tollgate_store::{Directory, Freshness, Stores};
use tollgate_usage::{Folder, MemoryMeter, Meter, Recorder, RecorderSettings, RecorderStores, WindowSaver};

use crate::{authentication, catalogue, error::StartError, mail};

/// A row of an open request that its server has not renewed for so long has no server any more.
const OTHERS_ROWS: TimeDelta = TimeDelta::seconds(60);
/// Longer than any clock is ahead.
const EVER: TimeDelta = TimeDelta::days(36_500);
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
    /// How far that memory follows what others change.
    pub freshness: Freshness,
    /// Writes events.
    pub recorder: Arc<Recorder>,
    /// Sums events.
    pub folder: Arc<Folder>,
    /// Saves windows.
    pub saver: Arc<WindowSaver>,
    /// Sends mails.
    pub mails: Arc<dyn MailTransport>,
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
    mail::transport(config)?;
    Ok(tollgate_persistence::open::check_url(&database_url(&config.database.url))?)
}

/// What can be answered before there is a database.
pub fn waiting(config: &Config) -> Waiting {
    Waiting {
        readiness: Arc::new(Readiness::default()),
        clock: Arc::new(SystemClock::start()),
        random: Arc::new(IdRandomness),
        settings: Arc::new(http_settings(config)),
    }
}

/// The server of this machine that has the database already, if one has.
pub fn other_server(config: &Config) -> Option<StartError> {
    let url @ Url::Sqlite(_) = database_url(&config.database.url) else { return None };
    match ServerLock::take(&url, Duration::ZERO) {
        Err(held @ LockError::HeldByProcess { .. }) => Some(held.into()),
        Ok(_) | Err(_) => None,
    }
}

/// Whether other servers may have the same database, and each counts for itself.
pub const fn is_shared(config: &Config) -> bool {
    config.cluster.allow_inexact && matches!(config.database.url, DatabaseUrl::Postgres(_))
}

/// Builds every part: opens the database, brings the sums up to date and restores the windows. What needs the
/// database comes first, since all of it is done anew where the database goes away meanwhile.
///
/// # Errors
/// [`StartError`] says which part could not be built, and why.
pub fn build(config: &Config, metrics: MetricsSource, waiting: &Waiting) -> Result<Parts, StartError> {
    let Waiting { readiness, clock, random, settings } = waiting.clone();
    let url = database_url(&config.database.url);
    let several = is_shared(config);
    let lock = if several { None } else { Some(ServerLock::take(&url, LOCK_PATIENCE)?) };
    let cache_bytes = usize::try_from(config.cache.max_bytes).unwrap_or(usize::MAX);
    let directory = Arc::new(Directory::new(cache_bytes));
    let pepper = pepper(config)?;
    let settings_of_db = Settings::new(url.clone(), pepper.clone());
    let db = Db::open(&settings_of_db, Arc::clone(&directory) as _, Arc::clone(&clock))?;
    let (stores, recorder_stores) = stores(config, &db)?;
    Recorder::recover(&recorder_stores, &clock, rows_before(several, &*clock))?;
    let folder = Folder::new(Arc::clone(&stores.events), Arc::clone(&clock));
    let folder = Arc::new(folder.beside(Arc::clone(&recorder_stores.spool)));
    let saver = Arc::new(WindowSaver::new(
        Arc::clone(&stores.events),
        Arc::clone(&stores.windows),
        Arc::clone(&clock),
    ));
    let meter = recover(&folder, &saver)?;
    let accounts = accounts(config, pepper.clone(), &stores, &directory, &clock)?;
    // Before anything is remembered.
    let freshness = Freshness::start(&stores)?;
    let recorder = Arc::new(Recorder::start(recorder_stores, record_settings(config), &clock)?);
    let pools = Pools::new(thread::available_parallelism().map_or(1, NonZero::get))?;
    let authenticator = Authenticator::new(
        Arc::clone(&directory),
        stores.clone(),
        pepper,
        Arc::clone(&clock),
        Arc::clone(&pools.lookups) as _,
        config.address_limits.unknown_keys,
    );
    let enabled = config.authentication.enabled;
    let authenticator = Arc::new(if enabled { authenticator } else { authenticator.with_anonymous() });
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
    let state = State {
        accounts: Arc::new(accounts),
        authenticator,
        management: Arc::new(ManagementCalls::new(config.management_limits.per_minute)),
        folder: Arc::clone(&folder),
        readiness,
        pools,
        metrics,
        clock: Arc::clone(&clock),
        random,
        settings,
    };
    let worker = worker(config, &clock, shared)?;
    let mails = mail::transport(config)?;
    Ok(Parts { state, worker, db, stores, directory, freshness, recorder, folder, saver, mails, clock, lock })
}

/// The ports to the database, and those of the recorder.
fn stores(config: &Config, db: &Db) -> Result<(Stores, RecorderStores), StartError> {
    let stores = db.stores();
    let recorder_stores = RecorderStores {
        events: Arc::clone(&stores.events),
        open_requests: Arc::clone(&stores.open_requests),
        spool: Arc::new(Spool::open(&config.server.data_dir)?),
    };
    #[cfg(feature = "abort-points")]
    let (stores, recorder_stores) = crate::abort::with_points(stores, recorder_stores);
    Ok((stores, recorder_stores))
}

/// The control plane, with the file's legacy keys and the anonymous user in the database.
fn accounts(
    config: &Config,
    pepper: Pepper,
    stores: &Stores,
    directory: &Arc<Directory>,
    clock: &Arc<dyn Clock>,
) -> Result<Accounts, StartError> {
    let accounts = Accounts::new(
        account_settings(config, pepper),
        stores.clone(),
        Arc::clone(directory),
        Arc::clone(clock),
        Arc::new(OsRandomness),
    )?;
    let accounts = with_identities(config, accounts)?;
    authentication::establish(&config.authentication, &accounts)?;
    accounts.warm_up();
    Ok(accounts)
}

/// The same, taking identity tokens where issuers are configured.
fn with_identities(config: &Config, accounts: Accounts) -> Result<Accounts, StartError> {
    if config.identity_providers.is_empty() {
        return Ok(accounts);
    }
    let issuers = config.identity_providers.iter().map(|provider| Issuer {
        name: provider.name.clone(),
        issuer: provider.issuer.clone(),
        audience: provider.audience.clone(),
        authorized_parties: provider.authorized_parties.clone(),
    });
    Ok(accounts.with_identities(Arc::new(Issuers::new(issuers.collect())?)))
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

/// Makes sums and windows what the records say, whatever end the last server had. The order matters.
fn recover(folder: &Folder, saver: &WindowSaver) -> Result<Arc<MemoryMeter>, StartError> {
    folder.fold_to_end()?;
    let meter = MemoryMeter::new();
    saver.restore(&meter)?;
    // Also here, for servers that do not live for a day.
    folder.retire_streams()?;
    Ok(Arc::new(meter))
}

/// Until when rows of open requests are those of servers that are gone: all of them, however far ahead the clock
/// was that dated them, unless other servers may be running.
fn rows_before(several: bool, clock: &dyn Clock) -> Time {
    if several { clock.now() - OTHERS_ROWS } else { clock.now() + EVER }
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
        require_verified_email: config.registration.require_verified_email,
        attempts: attempt_limits(config),
    }
}

fn attempt_limits(config: &Config) -> AttemptLimits {
    AttemptLimits {
        max_attempts: config.lockout.max_attempts,
        lock: TimeDelta::minutes(config.lockout.minutes.into()),
        failed_logins_per_hour: config.address_limits.failed_logins,
        sign_ups_per_hour: config.address_limits.sign_ups,
        mails_per_hour: config.address_limits.reset_mails,
    }
}

fn registration(config: &Config) -> RegistrationPolicy {
    match config.registration.mode {
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
