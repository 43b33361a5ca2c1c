//! Opening a database: everything that can be wrong with it is said at once and in words.

use std::{io, path::PathBuf, sync::Arc};

use diesel::{
    ConnectionError,
    prelude::*,
    r2d2::{Error, ManageConnection},
    sql_query,
    sql_types::Text,
};
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{Clock, Time};
use tollgate_store::{ChangeListener, StoreError, Stores};

use crate::{
    both::Conn,
    checkpoint::Checkpoints,
    database::{Database, Side, UPKEEP},
    failure::Failure,
    migrate, pg,
    pool::{self, Manager},
    settings::{Settings, Url},
    sqlite::{self, Access},
    watch::while_it_answers,
    writer::Writer,
};

/// Why a database is not opened. No message has a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL asks for TLS, which this build has not.
    #[error(
        "the database URL asks for TLS (sslmode), which this build lacks: build it with the cargo feature `pg-tls`"
    )]
    TlsNotBuilt,
    /// libpq cannot read the URL. What it says of it could show a password.
    #[error(
        "the database URL is malformed: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special \
         characters of the password percent-encoded"
    )]
    Malformed,
    /// The server answered and refused: a wrong password, an unknown database or role.
    #[error("{at} refuses the connection: {reason}")]
    Refused {
        /// Where, without the password.
        at: String,
        /// In the server's words.
        reason: String,
    },
    /// Nobody answers, or the server is starting or full: it may be there later.
    #[error("{at} is not reachable: {reason}")]
    Away {
        /// Where, without the password.
        at: String,
        /// In the client library's words.
        reason: String,
    },
    /// The file or its folder cannot be made or opened.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The database has been migrated further than this program knows.
    #[error(
        "the database was migrated by a newer Tollgate (unknown migrations: {versions}): run that version"
    )]
    Newer {
        /// The unknown migrations' versions.
        versions: String,
    },
    /// Migrations are missing and were not to be applied.
    #[error("the database lacks migrations ({names}): run `tollgate-admin db migrate`")]
    Pending {
        /// Their names.
        names: String,
    },
    /// A migration failed; it was rolled back.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
    /// The database keeps text in another encoding.
    #[error("the database's encoding is {encoding}: Tollgate needs one made with ENCODING 'UTF8'")]
    Encoding {
        /// The encoding.
        encoding: String,
    },
    /// The database failed while it was looked at.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("no thread for the database: {0}")]
    Thread(io::Error),
}

impl OpenError {
    /// Whether the configuration is wrong, rather than the database.
    pub const fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::TlsNotBuilt | Self::Malformed)
    }

    /// Whether it is worth waiting and trying again.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Store(StoreError::Unavailable(_)))
    }
}

impl From<diesel::result::Error> for OpenError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(Failure::from(error).into())
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

/// An open database. Clones share it; it closes when the last of them and of its stores is dropped.
#[derive(Clone)]
pub struct Db {
    database: Arc<Database>,
}

impl Db {
    /// Opens the database, applies its migrations where `settings` say so, and makes the partitions that
    /// the next months need. `listener` learns of every change made through the stores.
    ///
    /// # Errors
    /// See [`OpenError`]; the first connection is tried once and its failure told at once.
    pub fn open(
        settings: &Settings,
        listener: Arc<dyn ChangeListener>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let access = if settings.durable { Access::Write } else { Access::WriteCarelessly };
        let conn = {
            let (settings, now) = (settings.clone(), clock.now());
            while_it_answers(&settings.url.clone(), move || prepared(&settings, access, now))?
        };
        let manager = |access| Manager { url: settings.url.clone(), access };
        let (size, side, manager) = match conn {
            Conn::Pg(_) => (settings.connections, Side::postgres(manager(access)), manager(access)),
            Conn::Sqlite(conn) => (settings.readers, lite(settings, conn, access)?, manager(Access::Read)),
        };
        let pool = pool::new(manager, size);
        Ok(Self {
            database: Arc::new(Database { pool, side, listener, clock, pepper: settings.pepper.clone() }),
        })
    }

    /// The ports, on this database.
    pub fn stores(&self) -> Stores {
        Stores {
            users: self.database.clone(),
            attempts: self.database.clone(),
            keys: self.database.clone(),
            sessions: self.database.clone(),
            changes: self.database.clone(),
            events: self.database.clone(),
            open_requests: self.database.clone(),
            usage: self.database.clone(),
            windows: self.database.clone(),
            mails: self.database.clone(),
            mail_tokens: self.database.clone(),
            devices: self.database.clone(),
            web_sessions: self.database.clone(),
            external_identities: self.database.clone(),
            second_factors: self.database.clone(),
            audit: self.database.clone(),
            erasures: self.database.clone(),
            outbox: self.database.clone(),
            idempotency: self.database.clone(),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` where it does not.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.database.lookup(|conn| Ok(crate::both::batch(conn, "SELECT 1")?))
    }

    /// Makes the partitions that the months from `now` on need; at least once a day. SQLite has none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ensure_partitions(&self, now: Time) -> Result<(), StoreError> {
        self.database.within(UPKEEP, move |conn| match conn {
            Conn::Pg(conn) => pg::ensure_partitions(conn, now),
            Conn::Sqlite(_) => Ok(()),
        })
    }
}

/// A connection to a database that has everything it needs.
fn prepared(settings: &Settings, access: Access, now: Time) -> Result<Conn, OpenError> {
    if let Url::Sqlite(path) = &settings.url {
        sqlite::prepare_file(path).map_err(|source| OpenError::File { path: path.clone(), source })?;
    }
    let mut conn = connect(&settings.url, access)?;
    if settings.migrate {
        migrate::apply(&mut conn)?;
    } else {
        let names = migrate::pending(&mut conn)?;
        if !names.is_empty() {
            return Err(OpenError::Pending { names: names.join(", ") });
        }
    }
    match &mut conn {
        Conn::Pg(conn) => {
            check_encoding(conn)?;
            pg::ensure_partitions(conn, now)?;
        }
        Conn::Sqlite(conn) => warn_if_old(conn)?,
    }
    Ok(conn)
}

fn lite(settings: &Settings, conn: SqliteConnection, access: Access) -> Result<Side, OpenError> {
    let Url::Sqlite(path) = &settings.url else {
        return Err(OpenError::Malformed);
    };
    let manager = Manager { url: settings.url.clone(), access };
    let beside = sqlite::connect(path, access).map_err(|error| describe(&settings.url, error))?;
    let is_long = Arc::default();
    let checkpoints =
        Checkpoints::start(beside, path.clone(), Arc::clone(&is_long)).map_err(OpenError::Thread)?;
    let writer = Writer::start(Conn::Sqlite(conn), manager, is_long).map_err(OpenError::Thread)?;
    Ok(Side::Sqlite { writer, _checkpoints: checkpoints })
}

/// Whether this build can open a database at `url`, as far as that can be told without trying.
///
/// # Errors
/// [`OpenError::TlsNotBuilt`].
pub fn check_url(url: &Url) -> Result<(), OpenError> {
    match url {
        Url::Postgres(text) if !cfg!(feature = "pg-tls") && asks_for_tls(text) => Err(OpenError::TlsNotBuilt),
        Url::Postgres(_) | Url::Sqlite(_) => Ok(()),
    }
}

/// One connection, straight, with the reason where there is none.
pub(crate) fn connect(url: &Url, access: Access) -> Result<Conn, OpenError> {
    check_url(url)?;
    Manager { url: url.clone(), access }.connect().map_err(|error| describe(url, error))
}

fn asks_for_tls(url: &SecretString) -> bool {
    let options = url.expose_secret().split_once('?').map_or("", |(_, options)| options);
    options
        .split('&')
        .any(|option| matches!(option, "sslmode=require" | "sslmode=verify-ca" | "sslmode=verify-full"))
}

pub(crate) fn describe(url: &Url, error: Error) -> OpenError {
    let reason = match error {
        Error::ConnectionError(ConnectionError::BadConnection(reason)) => reason,
        Error::ConnectionError(other) => other.to_string(),
        Error::QueryError(error) => return error.into(),
    };
    let at = url.to_string();
    if let Url::Sqlite(_) = url {
        return OpenError::Refused { at, reason };
    }
    // Only what begins so comes from a connection; everything else is about the URL and quotes it.
    if reason.contains("SSL support is not compiled in") {
        OpenError::TlsNotBuilt
    } else if !(reason.starts_with("connection to server") || reason.starts_with("could not translate host"))
    {
        OpenError::Malformed
    } else if reason.contains("FATAL:")
        && !["starting up", "shutting down", "too many", "recovery"]
            .iter()
            .any(|passing| reason.contains(passing))
    {
        OpenError::Refused { at, reason: reason.trim().to_owned() }
    } else {
        OpenError::Away { at, reason: reason.trim().to_owned() }
    }
}

#[derive(QueryableByName)]
struct Encoding {
    #[diesel(sql_type = Text)]
    encoding: String,
}

fn check_encoding(conn: &mut PgConnection) -> Result<(), OpenError> {
    let row: Encoding =
        sql_query("SELECT current_setting('server_encoding') AS encoding").get_result(conn)?;
    if row.encoding == "UTF8" { Ok(()) } else { Err(OpenError::Encoding { encoding: row.encoding }) }
}

fn warn_if_old(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let version = sqlite::version(conn)?;
    if sqlite::is_old(&version) {
        tracing::warn!(version, "this SQLite is older than 3.51.3 and can lose a commit in rare cases");
    }
    Ok(())
}
