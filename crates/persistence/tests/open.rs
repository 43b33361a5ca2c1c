//! Opening: migrations, files, and what is said when it does not work.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, thread};

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use tollgate_domain::{Clock, Time};
use tollgate_persistence::{
    Db, OpenError, Settings, Url, check, migrate,
    testing::{TestDb, pepper},
};
use tollgate_store::{Change, ChangeListener};

struct Nobody;

impl ChangeListener for Nobody {
    fn changed(&self, _: &[Change]) {}
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Time {
        Time::from_timestamp(1_795_262_400, 0).unwrap()
    }
}

fn open(settings: &Settings) -> Result<Db, OpenError> {
    Db::open(settings, Arc::new(Nobody), Arc::new(Stopped))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/deep/tollgate.db");
    let db = open(&Settings::new(Url::Sqlite(file.clone()), pepper())).unwrap();
    db.ping().unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&file.with_extension("db-wal")), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

#[test]
fn names_that_sqlite_has_ways_of_its_own_with_are_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file:t.db?mode=memory");
    drop(open(&Settings::new(Url::Sqlite(file.clone()), pepper())).unwrap());
    assert!(file.exists());
}

#[test]
fn checking_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("tollgate.db"));
    assert!(matches!(check(&url), Err(OpenError::File { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let applied = migrate(&url).unwrap();
    assert!(applied.first().unwrap().ends_with("_accounts"), "{applied:?}");
    assert_eq!(migrate(&url).unwrap(), Vec::<String>::new());
    let found = check(&url).unwrap();
    assert_eq!((found.kind, found.pending), ("sqlite", vec![]));
    assert!(found.version.starts_with("3."), "{}", found.version);
}

#[test]
fn missing_migrations_are_named_where_they_are_not_to_be_applied() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        migrate: false,
        ..Settings::new(Url::Sqlite(folder.path().join("tollgate.db")), pepper())
    };
    let Err(OpenError::Pending { names }) = open(&settings) else { unreachable!("it has no tables") };
    assert!(names.contains("_accounts, ") && names.contains("_usage"), "{names}");
}

/// Runs statements on a database from outside.
fn outside(database: &TestDb, statements: &str) {
    let url = database.url();
    match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(statements).unwrap(),
        None => PgConnection::establish(&url).unwrap().batch_execute(statements).unwrap(),
    }
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    for (database, schema) in [(Some(TestDb::sqlite()), ""), (TestDb::postgres(), "tollgate.")] {
        let Some(database) = database else { continue };
        let newer = "INSERT INTO SCHEMA__diesel_schema_migrations (version) VALUES ('20991231000001')";
        outside(&database, &newer.replace("SCHEMA", schema));
        let error = open(database.settings()).err().unwrap();
        assert!(error.to_string().contains("20991231000001"), "{error}");
        assert!(matches!(check(&database.settings().url), Err(OpenError::Newer { .. })));
        assert!(matches!(migrate(&database.settings().url), Err(OpenError::Newer { .. })));
    }
}

#[test]
fn many_may_open_an_empty_database_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = Settings::new(Url::Sqlite(folder.path().join("tollgate.db")), pepper());
    let server = TestDb::postgres();
    if let Some(server) = &server {
        outside(server, "DROP SCHEMA tollgate CASCADE");
    }
    for settings in [Some(&file), server.as_ref().map(TestDb::settings)].into_iter().flatten() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| open(settings).unwrap().ping().unwrap());
            }
        });
        assert_eq!(check(&settings.url).unwrap().pending, Vec::<String>::new());
    }
}

fn refusal(url: &str) -> OpenError {
    let settings = Settings::new(url.parse().unwrap(), pepper());
    let error = open(&settings).err().unwrap();
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    error
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_password() {
    if !cfg!(feature = "pg-tls") {
        let error = refusal("postgres://u:s3cr3t@127.0.0.1:1/d?sslmode=require");
        assert!(error.to_string().contains("pg-tls"), "{error}");
    }
    for url in [
        "postgres://u:s3cr3t/x@127.0.0.1:1/d",
        "postgres://u:x@127.0.0.1:s3cr3t/d",
        "postgres://u@127.0.0.1:1/d?s3cr3t=1",
    ] {
        assert!(matches!(refusal(url), OpenError::Malformed), "{url}");
    }
    let error = refusal("postgres://u:s3cr3t@127.0.0.1:1/d");
    assert!(matches!(error, OpenError::Away { .. }) && error.is_away(), "{error:?}");
}

#[test]
fn an_unknown_database_is_no_matter_of_waiting() {
    let Some(server) = TestDb::postgres() else { return };
    let error = refusal(&format!("{}_of_nobody", server.url()));
    assert!(matches!(error, OpenError::Refused { .. }) && !error.is_away(), "{error:?}");
}
