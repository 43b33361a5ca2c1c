//! Databases for tests: each test has one of its own, copied from a migrated template.
//!
//! SQLite's is a file in a temporary folder. Postgres' is made on the server that the environment names;
//! where it names none, tests on Postgres are skipped, unless they are required.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{connection::SimpleConnection, prelude::*, sql_query, sql_types::Bool};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tollgate_domain::{Clock, Pepper, Time};
use tollgate_store::{Change, ChangeListener, Stores};

use crate::{
    migrate::{self, FINGERPRINT},
    open::Db,
    settings::{Settings, Url},
};

/// Names the server on which databases of tests are made: the URL of one of its databases, for a role that
/// may make others.
pub const POSTGRES_VARIABLE: &str = "TOLLGATE_TEST_POSTGRES_URL";
/// Set to 1, a missing server is a failure.
pub const REQUIRED_VARIABLE: &str = "REQUIRE_PG";
/// The advisory lock under which the template is made.
const TEMPLATE_LOCK: i64 = 0x746f_6c6c_7465_7374;
/// Connections of a test's database: many tests share one server.
const CONNECTIONS: u32 = 8;

/// A database of its own, gone when dropped. Drop what is open on it first.
pub struct TestDb {
    settings: Settings,
    opened: OnceLock<Db>,
    place: Place,
}

enum Place {
    File(#[expect(dead_code, reason = "held for its removal")] TempDir),
    Server { admin: SecretString, name: String },
}

/// What keys the hashes in a test's database.
///
/// # Panics
/// Never: there is one secret.
pub fn pepper() -> Pepper {
    done(Pepper::new(&["pepper"]))
}

/// Nobody to be told of changes.
struct Nobody;

impl ChangeListener for Nobody {
    fn changed(&self, _: &[Change]) {}
}

/// The machine's clock.
struct Machine;

impl Clock for Machine {
    #[expect(clippy::disallowed_methods, reason = "a clock for tests that do not bring their own")]
    fn now(&self) -> Time {
        tollgate_domain::clock::to_micros(chrono::Utc::now())
    }
}

impl TestDb {
    /// A database in a temporary folder, which no commit waits for.
    ///
    /// # Panics
    /// The file cannot be made.
    pub fn sqlite() -> Self {
        let folder = done(tempfile::tempdir());
        let file = folder.path().join("tollgate.db");
        done(fs::copy(sqlite_template(), &file));
        let settings = Settings { durable: false, ..Settings::new(Url::Sqlite(file), pepper()) };
        Self { settings, opened: OnceLock::new(), place: Place::File(folder) }
    }

    /// A database on the server that [`POSTGRES_VARIABLE`] names, where no commit waits for the disk either; `None`
    /// where it names none.
    ///
    /// # Panics
    /// The database cannot be made, or none is named although [`REQUIRED_VARIABLE`] is 1.
    pub fn postgres() -> Option<Self> {
        let Some(admin) = variable(POSTGRES_VARIABLE) else {
            assert!(variable(REQUIRED_VARIABLE).as_deref() != Some("1"), "{POSTGRES_VARIABLE} is not set");
            tell_skipped();
            return None;
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "tollgate_test_{}_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            Machine.now().timestamp_micros()
        );
        let mut conn = done(PgConnection::establish(&admin));
        let template = postgres_template(&mut conn, &admin);
        done(conn.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")));
        let url = Url::Postgres(with_database(&admin, &name).into());
        let settings = Settings { connections: CONNECTIONS, durable: false, ..Settings::new(url, pepper()) };
        Some(Self { settings, opened: OnceLock::new(), place: Place::Server { admin: admin.into(), name } })
    }

    /// What opens it.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its URL with everything in it, for programs that are started on it.
    pub fn url(&self) -> String {
        match &self.settings.url {
            Url::Postgres(url) => url.expose_secret().to_owned(),
            sqlite @ Url::Sqlite(_) => sqlite.to_string(),
        }
    }

    /// Opens it, as often as wanted.
    ///
    /// # Panics
    /// It cannot be opened.
    pub fn open(&self, listener: Arc<dyn ChangeListener>, clock: Arc<dyn Clock>) -> Db {
        done(Db::open(&self.settings, listener, clock))
    }

    /// The database, opened once with the machine's clock and nobody who listens.
    ///
    /// # Panics
    /// It cannot be opened.
    pub fn db(&self) -> &Db {
        self.opened.get_or_init(|| self.open(Arc::new(Nobody), Arc::new(Machine)))
    }

    /// Changes rows behind everybody's back.
    ///
    /// # Panics
    /// The statement fails.
    pub fn tamper(&self, statement: &str) {
        match &self.settings.url {
            Url::Postgres(url) => {
                let mut conn = done(PgConnection::establish(url.expose_secret()));
                done(conn.batch_execute(&format!("SET search_path TO tollgate; {statement}")));
            }
            Url::Sqlite(path) => {
                let mut conn = done(SqliteConnection::establish(&path.to_string_lossy()));
                done(conn.batch_execute(statement));
            }
        }
    }

    /// The stores of [`TestDb::db`].
    ///
    /// # Panics
    /// It cannot be opened.
    pub fn stores(&self) -> Stores {
        self.db().stores()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        self.opened.take();
        if let Place::Server { admin, name } = &self.place
            && let Ok(mut conn) = PgConnection::establish(admin.expose_secret())
        {
            // A test may fail before all its connections are closed; the server's folder is temporary anyway.
            conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).ok();
        }
    }
}

/// The migrated file, made once for all tests that share the migrations.
fn sqlite_template() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let file = std::env::temp_dir().join(format!("tollgate-template-{FINGERPRINT}.db"));
        if !file.exists() {
            let folder = done(tempfile::tempdir());
            let made = folder.path().join("template.db");
            done(migrate::migrate(&Url::Sqlite(made.clone())));
            // Under another name first, on the same file system: no other process ever copies half of it.
            let whole = file.with_extension(std::process::id().to_string());
            done(fs::copy(&made, &whole));
            done(fs::rename(&whole, &file));
        }
        file
    })
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// The migrated database, made once on the server for all tests that share the migrations.
fn postgres_template(conn: &mut PgConnection, admin: &str) -> String {
    let name = format!("tollgate_template_{FINGERPRINT}");
    done(conn.batch_execute(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")));
    let found: Answer = done(
        sql_query(format!(
            "SELECT count(*) > 0 AS yes FROM pg_database WHERE datname = '{name}' AND datistemplate"
        ))
        .get_result(conn),
    );
    if !found.yes {
        done(conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")));
        done(conn.batch_execute(&format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")));
        done(migrate::migrate(&Url::Postgres(with_database(admin, &name).into())));
        // Only what is complete is a template.
        done(conn.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true")));
    }
    done(conn.batch_execute(&format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")));
    name
}

/// The same server's URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (place, options) = url.split_once('?').map_or((url, None), |(place, options)| (place, Some(options)));
    let start = place.find("://").map_or(0, |at| at.saturating_add(3));
    let server = place.get(start..).unwrap_or_default().split('/').next().unwrap_or_default();
    let scheme = place.get(..start).unwrap_or_default();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}{server}/{database}{options}")
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where their server is")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests must see that some did not run")]
fn tell_skipped() {
    eprintln!("skipped on Postgres: {POSTGRES_VARIABLE} is not set");
}

#[expect(clippy::panic, reason = "a test without its database has failed")]
fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the test's database: {error}"))
}
