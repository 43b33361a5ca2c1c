//! Why the server does not start, or ends badly.

use tollgate_accounts::AccountsError;
use tollgate_persistence::{LockError, OpenError, SpoolError};
use tollgate_store::StoreError;
use tollgate_usage::Stopped;

/// Why the server does not start, or ends badly. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server has the database.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database was taken over by another server.
    #[error("another server has taken the database over; several servers on one database need Redis")]
    LockLost,
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed at the start.
    #[error("the database failed at the start: {0}")]
    Store(#[from] StoreError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// What an earlier server left cannot be brought into the database.
    #[error(transparent)]
    Recovery(#[from] Stopped),
    /// Providers are configured in a way that cannot be.
    #[error(transparent)]
    Providers(#[from] tollgate_providers::ProvidersError),
    /// Secrets are missing.
    #[error("SECRET_KEY: {0}")]
    Pepper(#[from] tollgate_domain::key::NoPepper),
    /// Accounts are configured in a way that cannot be.
    #[error("accounts cannot be set up: {0}")]
    Accounts(#[from] AccountsError),
    /// Identity providers are configured in a way that cannot be.
    #[error("identity_providers: {0}")]
    Issuers(#[from] tollgate_identity::IssuersError),
    /// Mails come from nobody.
    #[error("MAIL_FROM: {0}")]
    Sender(#[from] tollgate_notify::NotASender),
    /// There is no such mail server.
    #[error("SMTP_URL: {0}")]
    MailServer(#[from] tollgate_notify::NotAMailServer),
    /// Logs or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] tollgate_telemetry::TelemetryError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {addresses}: {source}; end the program that does, or set another")]
    Listen {
        /// The addresses, each with the variable that sets it.
        addresses: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The system refused a thread or a signal.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
}

impl StartError {
    /// Whether the configuration is wrong: then the exit code is 2.
    pub const fn is_misconfiguration(&self) -> bool {
        match self {
            Self::Open(error) | Self::Lock(LockError::Open(error)) => error.is_misconfiguration(),
            Self::Providers(_)
            | Self::Pepper(_)
            | Self::Issuers(_)
            | Self::Sender(_)
            | Self::MailServer(_) => true,
            Self::Lock(_)
            | Self::LockLost
            | Self::Store(_)
            | Self::Spool(_)
            | Self::Recovery(_)
            | Self::Accounts(_)
            | Self::Telemetry(_)
            | Self::Listen { .. }
            | Self::System { .. } => false,
        }
    }

    /// What the start waits for: with time, or when somebody sees to it, it may go on.
    pub const fn awaited(&self) -> Option<&'static str> {
        match self {
            Self::Open(error) | Self::Lock(LockError::Open(error)) if error.is_away() => Some("database"),
            Self::Store(StoreError::Unavailable(_))
            | Self::Accounts(AccountsError::Store(StoreError::Unavailable(_)))
            | Self::Recovery(Stopped::Database(StoreError::Unavailable(_))) => Some("database"),
            Self::Spool(SpoolError::Unusable { .. } | SpoolError::File { .. })
            | Self::Recovery(Stopped::Spool(_)) => Some("spool"),
            Self::Open(_)
            | Self::Store(_)
            | Self::Spool(_)
            | Self::Recovery(_)
            | Self::Lock(_)
            | Self::LockLost
            | Self::Providers(_)
            | Self::Pepper(_)
            | Self::Accounts(_)
            | Self::Issuers(_)
            | Self::Sender(_)
            | Self::MailServer(_)
            | Self::Telemetry(_)
            | Self::Listen { .. }
            | Self::System { .. } => None,
        }
    }
}

impl From<std::io::Error> for StartError {
    fn from(source: std::io::Error) -> Self {
        Self::System { what: "the operating system refused", source }
    }
}
