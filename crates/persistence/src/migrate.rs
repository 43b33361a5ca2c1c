//! Migrations: embedded in the program, applied by one process at a time.

use std::time::{Duration, Instant};

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    migration::{Migration, MigrationSource},
    prelude::*,
    sql_query,
    sql_types::{Bool, Text},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{
    both::{Conn, each},
    open::{OpenError, connect},
    settings::Url,
    sqlite::{self, Access},
    watch::while_it_answers,
};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
/// The advisory lock under which migrations are applied.
const LOCK: i64 = 0x746f_6c6c_6d69_6772;

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `postgres` or `sqlite`.
    pub kind: &'static str,
    /// The database's version, as it tells it.
    pub version: String,
    /// Migrations that are missing, in order.
    pub pending: Vec<String>,
    /// How long a trivial query took.
    pub latency: Duration,
}

/// Connects to the database at `url` and looks at it without changing anything.
///
/// # Errors
/// See [`OpenError`]; an SQLite file that does not exist is one too.
pub fn check(url: &Url) -> Result<Check, OpenError> {
    if let Url::Sqlite(path) = url {
        let opened = std::fs::File::open(path);
        opened.map_err(|source| OpenError::File { path: path.clone(), source })?;
    }
    let place = url.clone();
    while_it_answers(url, move || look(&place))
}

fn look(url: &Url) -> Result<Check, OpenError> {
    let mut conn = connect(url, Access::Read)?;
    let started = Instant::now();
    each!(&mut conn, conn => conn.batch_execute("SELECT 1"))?;
    let latency = started.elapsed();
    let (kind, version) = match &mut conn {
        Conn::Pg(conn) => ("postgres", server_version(conn)?),
        Conn::Sqlite(conn) => ("sqlite", sqlite::version(conn)?),
    };
    Ok(Check { kind, version, pending: pending(&mut conn)?, latency })
}

/// Applies what is missing at `url`, making the database's file or schema where there is none; gives the
/// names of what was applied.
///
/// # Errors
/// See [`OpenError`].
pub fn migrate(url: &Url) -> Result<Vec<String>, OpenError> {
    if let Url::Sqlite(path) = url {
        sqlite::prepare_file(path).map_err(|source| OpenError::File { path: path.clone(), source })?;
    }
    let place = url.clone();
    while_it_answers(url, move || apply(&mut connect(&place, Access::Write)?))
}

/// The names of the migrations that this connection's database lacks, in order.
///
/// # Errors
/// [`OpenError::Newer`] where it has migrations that this program does not know.
pub fn pending(conn: &mut Conn) -> Result<Vec<String>, OpenError> {
    let applied = applied(conn)?;
    let known = each!(&*conn, conn => known(conn))?;
    let unknown: Vec<_> =
        applied.iter().filter(|version| !known.iter().any(|(v, _)| v == *version)).cloned().collect();
    if !unknown.is_empty() {
        return Err(OpenError::Newer { versions: unknown.join(", ") });
    }
    Ok(known.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect())
}

/// Applies what is missing.
pub fn apply(conn: &mut Conn) -> Result<Vec<String>, OpenError> {
    if pending(conn)?.is_empty() {
        return Ok(Vec::new());
    }
    let names = match conn {
        Conn::Pg(pg) => {
            // Nobody else migrates meanwhile: not even between our look and our doing.
            pg.batch_execute(&format!(
                "SET lock_timeout TO 0; SET statement_timeout TO 0; SELECT pg_advisory_lock({LOCK}); \
                 CREATE SCHEMA IF NOT EXISTS tollgate"
            ))?;
            let names = pending(conn)?;
            if let Err(error) = each!(&mut *conn, conn => run(conn)) {
                // Where the server went away meanwhile, that is what is wrong, and not the migration.
                crate::both::batch(conn, "SELECT 1")?;
                return Err(error);
            }
            crate::both::batch(conn, &format!("SELECT pg_advisory_unlock({LOCK})"))?;
            names
        }
        Conn::Sqlite(lite) => {
            AnsiTransactionManager::begin_transaction_sql(lite, "BEGIN EXCLUSIVE")?;
            let names = pending(conn);
            let done = names.and_then(|names| each!(&mut *conn, conn => run(conn)).map(|()| names));
            type Transactions = <Conn as Connection>::TransactionManager;
            match done {
                Ok(names) => {
                    Transactions::commit_transaction(conn)?;
                    names
                }
                Err(error) => {
                    Transactions::rollback_transaction(conn)?;
                    return Err(error);
                }
            }
        }
    };
    tracing::info!(migrations = names.join(", "), "the database was migrated");
    Ok(names)
}

/// Which folder of migrations is a connection's.
trait Source: MigrationHarness<<Self as Connection>::Backend> + Connection {
    const MIGRATIONS: EmbeddedMigrations;
}

impl Source for PgConnection {
    const MIGRATIONS: EmbeddedMigrations = POSTGRES;
}

impl Source for SqliteConnection {
    const MIGRATIONS: EmbeddedMigrations = SQLITE;
}

fn run<C: Source>(conn: &mut C) -> Result<(), OpenError>
where
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    conn.run_pending_migrations(C::MIGRATIONS).map(drop).map_err(OpenError::Migration)
}

/// Versions and names of the embedded migrations, in order.
fn known<C: Source>(_: &C) -> Result<Vec<(String, String)>, OpenError>
where
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    let migrations: Vec<Box<dyn Migration<C::Backend>>> =
        C::MIGRATIONS.migrations().map_err(OpenError::Migration)?;
    let mut names: Vec<_> = migrations
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    names.sort();
    Ok(names)
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

fn server_version(conn: &mut PgConnection) -> QueryResult<String> {
    sql_query("SELECT current_setting('server_version') AS version")
        .get_result::<Version>(conn)
        .map(|row| row.version)
}

/// Versions of the migrations that the database has; nothing is made for it to be read.
fn applied(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let exists: Exists = match conn {
        Conn::Pg(conn) => {
            sql_query("SELECT to_regclass('tollgate.__diesel_schema_migrations') IS NOT NULL AS exists")
                .get_result(conn)?
        }
        Conn::Sqlite(conn) => sql_query(
            "SELECT count(*) > 0 AS \"exists\" FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        )
        .get_result(conn)?,
    };
    if !exists.exists {
        return Ok(Vec::new());
    }
    let versions: Vec<Version> = each!(conn, conn => {
        sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version").load(conn)
    })?;
    Ok(versions.into_iter().map(|row| row.version).collect())
}

/// Every test's template is told apart by what its migrations add up to.
#[cfg(feature = "testing")]
pub const FINGERPRINT: &str = env!("TOLLGATE_MIGRATIONS");
