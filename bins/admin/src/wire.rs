//! The only place that names the adapters: from the configuration to the database and its use cases.

use std::{path::PathBuf, sync::Arc};

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tollgate_accounts::{Accounts, AccountsError, AccountsSettings, AttemptLimits, RegistrationPolicy};
use tollgate_config::{
    Config, DatabaseUrl, Loaded, RegistrationMode, Sources, Token, ensure_secrets,
    system::{OsRandomness, SystemClock},
};
use tollgate_domain::{Clock, Pepper};
use tollgate_persistence::{Check, Db, OpenError, OutsideHead, Settings, Url};
use tollgate_store::Directory;

use crate::{
    error::AdminError,
    installation::{Here, There},
    output,
    server::{Address, NotAnAddress, Server},
};

/// Bytes for remembering records: a command looks at each only once.
const MEMORY_BYTES: usize = 0;
/// Connections that a command uses at once.
const CONNECTIONS: u32 = 1;

/// The configuration, with its warnings told.
///
/// # Errors
/// [`AdminError::Configuration`] with every problem.
pub fn configuration(file: Option<PathBuf>) -> Result<Loaded, AdminError> {
    let sources = Sources::from_process(file).map_err(AdminError::WorkingDirectory)?;
    let loaded = tollgate_config::load(&sources)?;
    for warning in &loaded.warnings {
        output::note(&format_args!("warning: {warning}"));
    }
    Ok(loaded)
}

/// The use cases on the configured database, which is made or migrated where needed.
///
/// # Errors
/// [`AdminError::Configuration`] where secrets cannot be had, [`AdminError::Open`] where the database
/// cannot.
pub fn here(mut loaded: Loaded) -> Result<Here, AdminError> {
    for created in ensure_secrets(&mut loaded)? {
        output::note(&format_args!(
            "{} was generated and is kept in {}",
            created.name,
            created.path.display()
        ));
    }
    let config = loaded.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let directory = Arc::new(Directory::new(MEMORY_BYTES));
    let settings = Settings {
        connections: CONNECTIONS,
        readers: CONNECTIONS,
        ..Settings::new(url(&config), pepper(&config)?)
    };
    let db = Db::open(&settings, Arc::clone(&directory) as _, Arc::clone(&clock))?;
    let random = Arc::new(OsRandomness);
    let settings = settings_of_accounts(&config)?;
    Ok(Here { accounts: Accounts::new(settings, db.stores(), directory, clock, random)? })
}

/// The installation that the server at `address` answers for. Of the configuration here the token is read and nothing
/// else: where this runs need be no installation.
///
/// # Errors
/// [`AdminError::Usage`] for a bad address or token, or where there is no token; [`AdminError::Configuration`] where it
/// cannot be read.
pub fn there(file: Option<PathBuf>, address: &str) -> Result<There, AdminError> {
    let wrong = |error: &dyn std::fmt::Display| AdminError::Usage(error.to_string());
    let address: Address = address.parse().map_err(|error: NotAnAddress| wrong(&error))?;
    let sources = Sources::from_process(file).map_err(AdminError::WorkingDirectory)?;
    let Token { token, warnings } = tollgate_config::load_token(&sources)?;
    for warning in &warnings {
        output::note(&format_args!("warning: {warning}"));
    }
    let token = token.ok_or_else(|| {
        wrong(
            &"--server needs TOLLGATE_TOKEN: set it to an API key that holds `admin`, or to an access token of an \
              administrator",
        )
    })?;
    if address.is_exposed() {
        output::note(&format_args!(
            "warning: {address} is not encrypted: who is on the way can read the token, and take it"
        ));
    }
    let server = Server::new(address, &token).map_err(|_invalid| {
        wrong(&"TOLLGATE_TOKEN has characters that no token has: is it the whole key, and nothing else?")
    })?;
    Ok(There { server, clock: Arc::new(SystemClock::start()) })
}

/// Where the server keeps the head of the audit log outside the database.
pub fn outside_head(config: &Config) -> OutsideHead {
    OutsideHead::in_folder(&config.server.data_dir)
}

/// How the configured database is.
///
/// # Errors
/// [`AdminError::NoDatabase`], [`AdminError::Open`].
pub fn check(config: &Config) -> Result<Check, AdminError> {
    let url = url(config);
    tollgate_persistence::check(&url).map_err(|error| match error {
        OpenError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            AdminError::NoDatabase { at: url.to_string() }
        }
        other => other.into(),
    })
}

/// Applies the migrations that the configured database lacks; gives their names.
///
/// # Errors
/// [`AdminError::Open`].
pub fn migrate(config: &Config) -> Result<Vec<String>, AdminError> {
    Ok(tollgate_persistence::migrate(&url(config))?)
}

/// Where the configured database is.
pub fn url(config: &Config) -> Url {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Url::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Url::Postgres(url.clone()),
    }
}

fn pepper(config: &Config) -> Result<Pepper, AdminError> {
    let peppers: Vec<_> = config.secrets.pepper.iter().map(ExposeSecret::expose_secret).collect();
    Ok(Pepper::new(&peppers).map_err(|_none| AccountsError::Internal("SECRET_KEY names no secret"))?)
}

fn settings_of_accounts(config: &Config) -> Result<AccountsSettings, AdminError> {
    Ok(AccountsSettings {
        public_url: config.server.public_url.clone(),
        jwt_secrets: config.secrets.jwt.clone(),
        pepper: pepper(config)?,
        encryption_secrets: config.secrets.encryption.clone(),
        access_token_lifetime: TimeDelta::minutes(config.tokens.access_minutes.into()),
        session_lifetime: TimeDelta::days(config.tokens.refresh_days.into()),
        bcrypt_rounds: config.password.bcrypt_rounds,
        min_password_chars: config.password.min_length,
        default_permissions: config.authentication.default_permissions.clone(),
        key_prefix: config.keys.prefix.clone(),
        max_keys_per_user: config.keys.max_per_user,
        tiers: config.tiers,
        require_verified_email: config.registration.require_verified_email,
        registration: match config.registration.mode {
            RegistrationMode::Open => RegistrationPolicy::Open,
            RegistrationMode::Invite => RegistrationPolicy::InviteOnly,
            RegistrationMode::Closed => RegistrationPolicy::Closed,
        },
        // Nobody logs in here.
        attempts: AttemptLimits::default(),
    })
}
