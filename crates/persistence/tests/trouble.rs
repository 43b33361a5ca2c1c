//! What callers see when the database is not as it should be, and how it goes on afterwards.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

use chrono::TimeDelta;
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use tollgate_domain::{
    ApiKey, Clock, Environment, EventId, KeyId, Month, Randomness, RequestType, Time, Tokens, UsageEvent,
    UsageSource, User, UserId,
};
use tollgate_persistence::{Db, Settings, testing::TestDb};
use tollgate_store::{Change, ChangeListener, NewUser, StoreError, Stores};

/// Random enough for ids.
struct Counting(AtomicI64);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x5851_F42D_4C95_7F2D);
        buffer
            .iter_mut()
            .zip(number.to_le_bytes().into_iter().cycle())
            .for_each(|(place, byte)| *place = byte);
    }
}

static NUMBERS: Counting = Counting(AtomicI64::new(1));

/// How long a test waits for an append where nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_795_262_400, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// A clock that is set by hand.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Time {
        at(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

impl ChangeListener for Heard {
    fn changed(&self, changes: &[Change]) {
        self.0.lock().unwrap().extend_from_slice(changes);
    }
}

fn open(settings: &Settings) -> Db {
    Db::open(settings, Arc::new(Heard::default()), Arc::new(Set(AtomicI64::new(0)))).unwrap()
}

fn user() -> NewUser {
    let id = UserId::new(at(0), &NUMBERS);
    let user = User {
        id,
        email: Some(format!("{id}@example.com").parse().unwrap()),
        external_id: None,
        name: None,
        role: Default::default(),
        tier: Default::default(),
        is_active: true,
        is_verified: true,
        limits: Default::default(),
        monthly_token_limit: None,
        quota_floor: None,
        quota_grant: None,
        metadata: "{}".to_owned(),
        created_at: at(0),
        updated_at: at(0),
    };
    NewUser { user, password_hash: None }
}

fn event(time: Time) -> UsageEvent {
    UsageEvent {
        id: EventId::new(time, &NUMBERS),
        time,
        month: Month::of(time),
        request_id: "r".to_owned(),
        user_id: UserId::new(time, &NUMBERS),
        api_key_id: KeyId::new(time, &NUMBERS),
        environment: Environment::Live,
        end_user: None,
        endpoint: "/v1/chat/completions".to_owned(),
        method: "POST".to_owned(),
        params: "{}".to_owned(),
        status: 200,
        counts: true,
        request_bytes: u64::MAX,
        response_bytes: 0,
        duration_ms: 0,
        upstream_ms: None,
        provider: None,
        model: None,
        upstream_model: None,
        request_type: RequestType::Chat,
        tokens: Tokens::default(),
        usage_source: UsageSource::None,
        cost_pico: None,
        own_key: false,
        repeat: 1,
        ip: None,
        user_agent: None,
        error_code: None,
    }
}

/// Each database there is.
fn databases() -> impl Iterator<Item = TestDb> {
    [Some(TestDb::sqlite()), TestDb::postgres()].into_iter().flatten()
}

/// A connection to a database from outside.
enum Outside {
    Pg(PgConnection),
    Lite(SqliteConnection),
}

impl Outside {
    fn of(database: &TestDb) -> Self {
        let url = database.url();
        match url.strip_prefix("sqlite://") {
            Some(path) => Self::Lite(SqliteConnection::establish(path).unwrap()),
            None => {
                let mut conn = PgConnection::establish(&url).unwrap();
                conn.batch_execute("SET search_path TO tollgate").unwrap();
                Self::Pg(conn)
            }
        }
    }

    fn run(&mut self, statements: &str) {
        match self {
            Self::Pg(conn) => conn.batch_execute(statements).unwrap(),
            Self::Lite(conn) => conn.batch_execute(statements).unwrap(),
        }
    }

    fn number(&mut self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let row: Number = match self {
            Self::Pg(conn) => sql_query(query).get_result(conn).unwrap(),
            Self::Lite(conn) => sql_query(query).get_result(conn).unwrap(),
        };
        row.number
    }
}

#[test]
fn the_process_that_changed_something_hears_of_it_before_it_goes_on() {
    for database in databases() {
        let heard = Arc::new(Heard::default());
        let db = database.open(heard.clone(), Arc::new(Set(AtomicI64::new(0))));
        let new = user();
        db.stores().users.create(&new, None, &[]).unwrap();
        assert_eq!(*heard.0.lock().unwrap(), [Change::User(new.user.id)]);
        db.stores().users.create(&new, None, &[]).unwrap_err();
        assert_eq!(heard.0.lock().unwrap().len(), 1);
    }
}

#[test]
fn old_changes_are_thrown_away_and_who_missed_them_is_told() {
    for database in databases() {
        let clock = Arc::new(Set(AtomicI64::new(0)));
        let stores = database.open(Arc::new(Heard::default()), clock.clone()).stores();
        let new = user();
        stores.users.create(&new, None, &[]).unwrap();
        clock.0.store(3_601, Ordering::Relaxed);
        for _ in 0..999 {
            let switch = Arc::new(|user: &mut User| user.is_active = !user.is_active);
            stores.users.edit(new.user.id, switch, at(0), &[]).unwrap();
        }
        assert_eq!(stores.changes.latest().unwrap(), 1_000);
        assert_eq!(Outside::of(&database).number("SELECT min(id) AS number FROM changes"), 2);
        let missed = stores.changes.since(0, 10).unwrap();
        assert!(missed.gap);
        assert_eq!(missed.upto, 1_000);
        assert!(!stores.changes.since(1, 10).unwrap().gap);
    }
}

#[test]
fn an_edit_that_panics_leaves_nothing_and_stops_nobody() {
    let database = TestDb::sqlite();
    let stores = open(database.settings()).stores();
    let new = user();
    stores.users.create(&new, None, &[]).unwrap();
    let edit = Arc::new(|_: &mut User| panic!("a bad edit"));
    assert!(matches!(stores.users.edit(new.user.id, edit, at(1), &[]), Err(StoreError::Unavailable(_))));
    assert_eq!(stores.users.by_id(new.user.id).unwrap().as_ref(), Some(&new.user));
    assert!(stores.users.edit(new.user.id, Arc::new(|_| {}), at(1), &[]).unwrap().is_some());
}

#[test]
fn rows_that_nobody_wrote_are_told_by_table_and_column() {
    for database in databases() {
        let stores = open(database.settings()).stores();
        let (first, second) = (user(), user());
        stores.users.create(&first, None, &[]).unwrap();
        stores.users.create(&second, None, &[]).unwrap();
        let mut outside = Outside::of(&database);
        outside.run(&format!("UPDATE users SET role = 'king' WHERE email LIKE '{}%'", first.user.id));
        outside.run(&format!("UPDATE users SET daily_limit = -1 WHERE email LIKE '{}%'", second.user.id));
        let corrupt = |id| match stores.users.by_id(id) {
            Err(StoreError::Corrupt { table, what }) => (table, what),
            other => unreachable!("it was read: {other:?}"),
        };
        assert_eq!(corrupt(first.user.id), ("users", "role"));
        assert_eq!(corrupt(second.user.id), ("users", "daily limit"));
    }
}

#[test]
fn a_pool_without_a_free_connection_is_unavailable() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = open(&Settings { connections: 1, ..database.settings().clone() }).stores();
    let new = user();
    stores.users.create(&new, None, &[]).unwrap();
    let (release, released) = sync_channel::<()>(0);
    let (started, starts) = sync_channel::<()>(0);
    let released = Mutex::new(released);
    let edit = Arc::new(move |_: &mut User| {
        started.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
    });
    thread::scope(|scope| {
        let slow = scope.spawn(|| stores.users.edit(new.user.id, edit, at(1), &[]).unwrap());
        starts.recv().unwrap();
        assert!(matches!(stores.users.by_id(new.user.id), Err(StoreError::Unavailable(_))));
        release.send(()).unwrap();
        assert!(slow.join().unwrap().is_some());
    });
    assert!(stores.users.by_id(new.user.id).unwrap().is_some());
}

#[test]
fn an_import_waits_for_another_however_long_that_takes() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = database.stores();
    let mut outside = Outside::of(&database);
    outside.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({})", 0x746f_6c6c_696d_706f_i64));
    thread::scope(|scope| {
        let users = [tollgate_store::suite::import::user()];
        let import = scope.spawn(move || stores.users.import(&users, false).unwrap());
        // Longer than anybody else waits for a row.
        thread::sleep(Duration::from_millis(5_500));
        outside.run("ROLLBACK");
        assert_eq!(import.join().unwrap(), [tollgate_store::Imported::Made]);
    });
}

fn append(stores: &Stores, first_seq: i64, event: UsageEvent) -> Result<(), StoreError> {
    stores.events.append(tollgate_store::StreamId(1), first_seq, Arc::from([event]), PATIENCE)
}

#[test]
fn a_lost_connection_of_the_recorder_is_replaced() {
    let Some(database) = TestDb::postgres() else { return };
    let stores = open(database.settings()).stores();
    stores.events.open_stream(at(0)).unwrap();
    append(&stores, 1, event(at(0))).unwrap();
    Outside::of(&database).run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let lost = event(at(1));
    assert!(matches!(append(&stores, 2, lost.clone()), Err(StoreError::Unavailable(_))));
    append(&stores, 2, lost).unwrap();
    assert_eq!(stores.events.fold(10, &stores.events.mark().unwrap()).unwrap().events, 2);
}

#[test]
fn windows_that_cannot_be_read_are_told_and_nothing_is_guessed() {
    for database in databases() {
        let stores = open(database.settings()).stores();
        stores.events.open_stream(at(0)).unwrap();
        let event = event(at(0));
        let again = UsageEvent { id: EventId::new(at(1), &NUMBERS), time: at(1), ..event.clone() };
        let save = || stores.windows.save(10, &stores.events.mark().unwrap(), at(1));
        append(&stores, 1, event).unwrap();
        save().unwrap();
        append(&stores, 2, again).unwrap();
        let mut outside = Outside::of(&database);
        outside.run("UPDATE saved_windows SET windows = substr(windows, 1, 2)");
        let corrupt = |result: Result<(), StoreError>| {
            matches!(result, Err(StoreError::Corrupt { table: "saved_windows", what: "windows" }))
        };
        assert!(corrupt(stores.windows.load(&mut |_| ())));
        assert!(corrupt(save().map(drop)));
        // The cursor has not moved past what could not be added.
        outside.run("DELETE FROM saved_windows");
        assert_eq!(save().unwrap().events, 1);
        let mut newest = None;
        stores.windows.load(&mut |saved| newest = saved.windows.newest()).unwrap();
        assert_eq!(newest, Some(at(1)));
    }
}

#[test]
fn a_missing_partition_is_no_poison() {
    let Some(database) = TestDb::postgres() else { return };
    let db = open(database.settings());
    let stores = db.stores();
    stores.events.open_stream(at(0)).unwrap();
    let mut outside = Outside::of(&database);
    outside.run("DROP TABLE usage_events_default");
    let later = at(200 * 86_400);
    let error = append(&stores, 1, event(later)).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    outside.run("CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT");
    db.ensure_partitions(later).unwrap();
    append(&stores, 1, event(later)).unwrap();
}

#[test]
fn a_partition_takes_in_what_the_default_one_held() {
    let Some(database) = TestDb::postgres() else { return };
    let db = open(database.settings());
    let stores = db.stores();
    stores.events.open_stream(at(0)).unwrap();
    let mut outside = Outside::of(&database);
    // 21 November 2026: two months ahead there is January, no more.
    let months = "SELECT count(*) AS number FROM pg_inherits WHERE inhparent = 'usage_events'::regclass";
    assert_eq!(outside.number(months), 4);
    append(&stores, 1, event(at(0))).unwrap();
    append(&stores, 2, event(at(90 * 86_400))).unwrap();
    append(&stores, 3, event(at(300 * 86_400))).unwrap();
    let held = "SELECT count(*) AS number FROM usage_events_default";
    assert_eq!(outside.number(held), 2);
    for _ in 0..2 {
        db.ensure_partitions(at(90 * 86_400)).unwrap();
    }
    assert_eq!(outside.number(held), 1);
    assert_eq!(outside.number("SELECT count(*) AS number FROM usage_events_2027_02"), 1);
    assert_eq!(stores.events.fold(10, &stores.events.mark().unwrap()).unwrap().events, 3);
}

#[test]
fn the_view_shows_keys_as_the_contract_has_them() {
    #[derive(QueryableByName, Debug, PartialEq)]
    struct Shown {
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = Bool)]
        is_valid: bool,
        #[diesel(sql_type = BigInt)]
        request_count: i64,
        #[diesel(sql_type = Nullable<Text>)]
        tier: Option<String>,
    }
    for database in databases() {
        let stores = open(database.settings()).stores();
        let (mut known, unknown) = (user(), user());
        known.user.external_id = Some("user_123".to_owned());
        stores.users.create(&known, None, &[]).unwrap();
        stores.users.create(&unknown, None, &[]).unwrap();
        let make = |owner: &NewUser, expires_at, is_active| {
            let id = KeyId::new(at(0), &NUMBERS);
            let key = ApiKey {
                id,
                user_id: owner.user.id,
                name: String::new(),
                kind: Default::default(),
                environment: Environment::Live,
                prefix: String::new(),
                preview: String::new(),
                permissions: Default::default(),
                limits: Default::default(),
                is_active,
                disabled_by_admin: false,
                revoked_at: None,
                expires_at,
                allowed_ips: Vec::new(),
                allowed_models: Vec::new(),
                created_by_key: None,
                metadata: "{}".to_owned(),
                created_at: at(0),
                updated_at: at(0),
            };
            let mut hash = tollgate_domain::KeyHash([0; 32]);
            NUMBERS.fill(&mut hash.0);
            stores
                .keys
                .create(&tollgate_store::NewKey { key, hash, sealed: None, maker: None }, 9, &[])
                .unwrap();
            id
        };
        let past = Some(Time::from_timestamp(1_000_000_000, 0).unwrap());
        let future = Some(Time::from_timestamp(32_000_000_000, 0).unwrap());
        let revoked = make(&known, past, true);
        stores.keys.revoke(revoked, None, at(0), &[]).unwrap();
        let keys = [
            (make(&known, future, true), "user_123".to_owned(), "active", true),
            (make(&known, past, false), "user_123".to_owned(), "expired", false),
            (make(&unknown, None, false), unknown.user.id.to_string(), "disabled", true),
            (revoked, "user_123".to_owned(), "revoked", false),
        ];
        let mut outside = Outside::of(&database);
        if matches!(outside, Outside::Pg(_)) {
            outside.run("SET search_path TO public");
        }
        for (id, user_id, status, is_valid) in keys {
            let query = format!("SELECT * FROM v_user_api_keys WHERE key_id = '{id}'");
            let shown: Shown = match &mut outside {
                Outside::Pg(conn) => sql_query(query).get_result(conn).unwrap(),
                Outside::Lite(conn) => sql_query(query).get_result(conn).unwrap(),
            };
            let tier = Some("free".to_owned());
            assert_eq!(shown, Shown { user_id, status: status.to_owned(), is_valid, request_count: 0, tier });
        }
    }
}
