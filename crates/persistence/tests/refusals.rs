//! A database that is there and refuses for now: read-only, full, being shut down, locked. That is the
//! database being away, never a fault of what was asked of it.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use tollgate_domain::{UsageEvent, User, UserId};
use tollgate_persistence::{Db, Settings, Url, testing::TestDb};
use tollgate_store::{StoreError, Stores, StreamId, suite::given};

/// A connection from outside, as the administrator.
fn outside(database: &TestDb) -> PgConnection {
    let mut conn = PgConnection::establish(&database.url()).unwrap();
    conn.batch_execute("SET search_path TO tollgate").unwrap();
    conn
}

/// Ends every other connection to the database.
const END_OTHERS: &str = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";

fn append(stores: &Stores, user: UserId) -> Result<(), StoreError> {
    let stream = StreamId(1);
    let event = given::event(user, given::key(user).key.id, given::at(0));
    stores.events.append(stream, 1, [event].into(), given::PATIENCE)
}

fn away<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

/// What was lost with its connection works the second time at the latest.
fn works<T: std::fmt::Debug>(call: impl Fn() -> Result<T, StoreError>) {
    call().or_else(|_lost| call()).unwrap();
}

#[test]
fn a_read_only_server_still_reads() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = database.stores();
    let user = given::stored_user(&stores);
    stores.events.open_stream(given::at(0)).unwrap();
    let mut outside = outside(&database);
    let set = |outside: &mut PgConnection, yes: &str| {
        let name = database.url().rsplit_once('/').unwrap().1.to_owned();
        outside
            .batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only TO {yes}"))
            .unwrap();
        outside.batch_execute(END_OTHERS).unwrap();
    };
    set(&mut outside, "on");
    works(|| stores.users.by_id(user));
    for _ in 0..2 {
        away(append(&stores, user));
        away(stores.users.edit(user, Arc::new(|_| {}), given::at(1), &[]));
        away(stores.events.open_stream(given::at(0)));
        away(stores.events.fold(10, &stores.events.mark().unwrap()));
    }
    // The administrator's own connection is older.
    set(&mut outside, "off");
    works(|| append(&stores, user));
    works(|| stores.users.edit(user, Arc::new(|_| {}), given::at(1), &[]));
}

#[test]
fn a_server_without_a_free_connection_is_away() {
    let Some(database) = TestDb::postgres() else { return };
    // By the clock of those who open it below: the role may make no partitions.
    let own = database.open(Arc::new(quiet::Nobody), Arc::new(quiet::Fixed)).stores();
    let user = given::stored_user(&own);
    own.events.open_stream(given::at(0)).unwrap();
    // Administrators have connections of their own.
    let role = database.url().rsplit_once('/').unwrap().1.to_owned();
    let mut outside = outside(&database);
    outside
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA tollgate TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA tollgate TO {role}; \
             GRANT ALL ON ALL SEQUENCES IN SCHEMA tollgate TO {role}"
        ))
        .unwrap();
    let url: Url = database.url().replace("postgres@", &format!("{role}@")).parse().unwrap();
    let settings = Settings { url, ..database.settings().clone() };
    let open = || {
        let (nobody, fixed) = (Arc::new(quiet::Nobody), Arc::new(quiet::Fixed));
        Db::open(&settings, nobody, fixed)
    };
    let db = open().unwrap();
    let stores = db.stores();
    append(&stores, user).unwrap();
    outside.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 0")).unwrap();
    outside.batch_execute(END_OTHERS).unwrap();
    for _ in 0..2 {
        away(append(&stores, user));
        away(stores.users.by_id(user));
    }
    let error = open().map(drop).unwrap_err();
    assert!(error.is_away(), "{error:?}");
    outside.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT -1")).unwrap();
    works(|| append(&stores, user));
    works(|| stores.users.by_id(user));
    drop((stores, db));
    outside.batch_execute(END_OTHERS).unwrap();
    outside.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

#[test]
fn a_transaction_whose_connection_is_ended_is_undone() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = database.stores();
    let user = given::stored_user(&stores);
    let outside = Mutex::new(outside(&database));
    let edit = Arc::new(move |user: &mut User| {
        user.name = Some("somebody else".to_owned());
        outside.lock().unwrap().batch_execute(END_OTHERS).unwrap();
    });
    away(stores.users.edit(user, edit, given::at(1), &[]));
    works(|| stores.users.by_id(user));
    assert_eq!(stores.users.by_id(user).unwrap().unwrap().name, given::user().user.name);
}

#[test]
fn a_row_that_another_holds_is_not_waited_for_for_ever() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = database.stores();
    let user = given::stored_user(&stores);
    let mut outside = outside(&database);
    outside.batch_execute("BEGIN; SELECT 1 FROM users FOR UPDATE").unwrap();
    away(stores.users.edit(user, Arc::new(|_| {}), given::at(1), &[]));
    assert!(stores.users.by_id(user).unwrap().is_some());
    outside.batch_execute("ROLLBACK").unwrap();
    stores.users.edit(user, Arc::new(|_| {}), given::at(1), &[]).unwrap();
}

#[test]
fn a_file_that_another_process_holds_is_away_and_what_was_asked_may_be_done_later() {
    let database = TestDb::sqlite();
    let stores = database.stores();
    let user = given::stored_user(&stores);
    let key = given::stored_key(&stores, user);
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    let mut other = SqliteConnection::establish(database.url().strip_prefix("sqlite://").unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let group: Arc<[UsageEvent]> = (0..3).map(|n| given::event(user, key, given::at(n))).collect();
    let append = |patience| stores.events.append(stream, 1, Arc::clone(&group), patience);
    away(append(Duration::from_millis(50)));
    away(stores.open_requests.forget([group[0].id].into(), Duration::from_millis(50)));
    assert!(stores.users.by_id(user).unwrap().is_some(), "nobody who reads is held up");
    other.batch_execute("ROLLBACK").unwrap();
    append(given::PATIENCE).unwrap();
    assert_eq!(given::fold(&stores), 3);
}

mod quiet {
    use tollgate_domain::{Clock, Time};
    use tollgate_store::{Change, ChangeListener, suite::given};

    pub struct Nobody;

    impl ChangeListener for Nobody {
        fn changed(&self, _: &[Change]) {}
    }

    pub struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Time {
            given::at(0)
        }
    }
}
