//! A PostgreSQL that hangs: it takes connections and packets and never answers. Nobody waits for it for
//! ever, and everything goes on when it does.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

mod server;

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use server::{LONG, Server, until};
use tollgate_domain::{Clock, Environment, Month, RunId, Time, UsageEvent, UserId};
use tollgate_persistence::{Db, OpenError, ServerLock, Settings, Standing, Url, testing::pepper};
use tollgate_store::{
    Change, ChangeListener, Confirmation, ConfirmedChange, DeletionProof, FactorChange, FactorReset, Issue,
    KeyFilter, MailPurpose, MailToken, NewRun, PageRequest, PasswordReset, SignUp, StoreError, Stores,
    UsageScope, suite::given,
};

/// Enough for one connection a call.
const CONNECTIONS: u32 = 64;
/// Calls at once: fewer than the threads that wait for the database.
const AT_ONCE: usize = 48;
/// How long a caller waits for what does not come.
const SHORT: Duration = Duration::from_millis(200);

struct Nobody;

impl ChangeListener for Nobody {
    fn changed(&self, _: &[Change]) {}
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Time {
        given::at(0)
    }
}

fn settings(url: &str) -> Settings {
    Settings { connections: CONNECTIONS, ..Settings::new(url.parse::<Url>().unwrap(), pepper()) }
}

fn open(url: &str) -> Db {
    Db::open(&settings(url), Arc::new(Nobody), Arc::new(Fixed)).unwrap()
}

/// Runs `work`, which must return.
fn returns<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::sync_channel(1);
    thread::spawn(move || done.send(work()));
    ended.recv_timeout(LONG).unwrap_or_else(|_| unreachable!("{what} never returned"))
}

fn issue() -> Issue {
    let token = given::mail_token(MailPurpose::Reset, given::at(0));
    Issue { token, mails: Vec::new(), max_per_hour: u32::MAX, audit: Vec::new() }
}

fn sign_up() -> SignUp {
    let user = given::user();
    let email = user.user.email.clone();
    let token = given::mail_token(MailPurpose::Verification, given::at(0));
    SignUp {
        token: MailToken { user: Some(user.user.id), email, ..token },
        user,
        first_key: None,
        invitation: None,
        mail: given::mail(given::at(0)),
        taken: None,
        max_per_hour: u32::MAX,
        audit: Vec::new(),
        refused: Vec::new(),
    }
}

fn password_reset(user: UserId) -> PasswordReset {
    PasswordReset {
        token: [1; 32],
        user,
        password_hash: "x".to_owned(),
        revoke_keys: false,
        attempts: Vec::new(),
        mail: given::mail(given::at(0)),
        now: given::at(1),
        audit: Vec::new(),
    }
}

fn new_run(user: UserId) -> NewRun {
    let now = given::at(0);
    NewRun {
        id: RunId::new(now, &given::Numbers),
        user,
        hashes: vec![given::hash().0],
        fingerprints: vec![[1; 32]],
        now,
        running_until: now,
        expires_at: given::at(1),
        max_of_user: 100,
    }
}

fn confirmation(user: UserId) -> Confirmation {
    let (first_key, now) = (given::key(user), given::at(1));
    Confirmation { token: [1; 32], first_key, changed: None, now, audit: Vec::new(), key_audit: Vec::new() }
}

type Call = (&'static str, Arc<dyn Fn() -> Result<(), StoreError> + Send + Sync>);

/// Every method of every port, and what else asks the database.
fn calls(db: &Db) -> Vec<Call> {
    let stores = db.stores();
    let user = given::stored_user(&stores);
    // Somebody whom no other call is about.
    let leaving = given::stored_user(&stores);
    let key = given::stored_key(&stores, user);
    let session = given::session(user);
    stores.sessions.open(&session).unwrap();
    let id = session.session.id;
    let device = given::device();
    stores.devices.begin(&device, 10).unwrap();
    let (poll, code) = (given::poll(&device, given::at(1)), given::device_code(&device, user, given::at(1)));
    let decision = given::device_decision(&device, &session, given::at(1));
    let page = PageRequest { limit: 10, after: None };
    let filter = KeyFilter { user: None, include_inactive: true, now: given::at(0), kind: None };
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    let month = Month::of(given::at(0));
    let mark = stores.events.mark().unwrap();
    let made = std::sync::atomic::AtomicI64::new(1);
    macro_rules! calls {
        ($($name:literal: |$stores:ident| $call:expr;)+) => {
            vec![$({
                let $stores: Stores = stores.clone();
                ($name, Arc::new(move || $call.map(drop)) as Arc<dyn Fn() -> _ + Send + Sync>)
            }),+]
        };
    }
    let mark_too = mark.clone();
    let rotated = tollgate_store::KeyRotation {
        id: key,
        owner: None,
        hash: given::key(user).hash,
        prefix: String::new(),
        preview: String::new(),
        sealed: None,
        grace_until: None,
        maker: None,
        now: given::at(1),
        audit: Vec::new(),
    };
    let waiting = given::mail(given::at(0));
    let pinged = db.clone();
    let prepared = db.clone();
    let mut calls: Vec<Call> = calls! {
        // First, to have a connection for certain: it waits longest.
        "events.fold": |s| s.events.fold(100, &mark);
        "audit.note": |s| s.audit.note(&[]);
        "audit.list": |s| s.audit.list(None, 1, &tollgate_store::AuditFilter::default());
        "audit.rows": |s| s.audit.rows(0, 1);
        "audit.head": |s| s.audit.head();
        "audit.erase": |s| s.audit.erase(user, 1);
        "erasures.due": |s| s.erasures.due(given::at(1));
        "erasures.sweep": |s| s.erasures.sweep(user, given::at(1), 1);
        "outbox.waiting": |s| s.outbox.waiting(1);
        "outbox.expiring": |s| s.outbox.expiring(given::at(0), given::at(1), 1);
        "outbox.tell_expiring": |s| s.outbox.tell_expiring(&[]);
        "idempotency.begin": |s| s.idempotency.begin(&new_run(user));
        "idempotency.keep": |s| s.idempotency.keep(new_run(user).id, &[1]);
        "idempotency.release": |s| s.idempotency.release(new_run(user).id, true);
        "idempotency.forget": |s| s.idempotency.forget(given::at(1), 1);
        "outbox.forget": |s| s.outbox.forget(given::at(1), 1);
        "users.create": |s| s.users.create(&given::user(), None, &[]);
        "users.by_id": |s| s.users.by_id(user);
        "users.by_email": |s| s.users.by_email(&given::email("a@example.com"));
        "users.credentials": |s| s.users.credentials(user);
        "users.by_external_id": |s| s.users.by_external_id("x");
        "users.edit": |s| s.users.edit(user, Arc::new(|_| {}), given::at(1), &[]);
        "users.set_password": |s| s.users.set_password(user, "x", given::at(1), &[]);
        "users.change_password": |s| s.users.change_password(&given::password_change(user, id, given::at(1)));
        "users.delete": |s| s.users.delete(&given::deletion(leaving, DeletionProof::Trusted));
        "users.import": |s| s.users.import(&[tollgate_store::suite::import::user()], false);
        "users.list": |s| s.users.list(&page, None);
        "keys.create": |s| s.keys.create(&given::key(user), u32::MAX, &[]);
        "keys.by_hash": |s| s.keys.by_hash(&given::hash());
        "keys.by_id": |s| s.keys.by_id(key);
        "keys.list": |s| s.keys.list(&filter, &page);
        "keys.edit": |s| s.keys.edit(key, Arc::new(|_| {}), given::at(1), &[]);
        "keys.revoke_descendants": |s| s.keys.revoke_descendants(key, None, given::at(1), &(Arc::new(|_| -> tollgate_domain::AuditEntry { unreachable!() }) as _));
        "keys.rehash": |s| s.keys.rehash(&given::key(user).hash, &given::key(user).hash);
        "keys.rotate": |s| s.keys.rotate(&rotated);
        "keys.revoke": |s| s.keys.revoke(key, None, given::at(1), &[]);
        "keys.editor": |s| s.keys.editor(user);
        "keys.create_editor": |s| s.keys.create_editor(&given::editor_key(user), &[]);
        "keys.import": |s| s.keys.import(&[tollgate_store::suite::import::key()], false);
        "keys.ids_by_prefix": |s| s.keys.ids_by_prefix("0", 10);
        "sessions.open": |s| s.sessions.open(&given::session(user));
        "sessions.by_id": |s| s.sessions.by_id(id);
        "sessions.by_refresh": |s| s.sessions.by_refresh(&session.refresh_hash);
        "sessions.rotate": |s| s.sessions.rotate(&given::rotation(&session, given::at(1)));
        "sessions.list": |s| s.sessions.list(user, &page, given::at(1));
        "sessions.end": |s| s.sessions.end(id, None, given::at(1), &[]);
        "sessions.end_all": |s| s.sessions.end_all(user, given::at(1), &[]);
        "sessions.forget": |s| s.sessions.forget(given::at(1), given::at(1), 10);
        "attempts.begin": |s| s.attempts.begin(&given::attempt([1; 32]));
        "attempts.count_address": |s| s.attempts.count_address(&given::address([1; 32], 9), given::at(0));
        "attempts.clear": |s| s.attempts.clear(&[[1; 32]], Some(user), &[]);
        "attempts.forget": |s| s.attempts.forget(given::at(1), 10);
        "changes.latest": |s| s.changes.latest();
        "changes.since": |s| s.changes.since(0, 10);
        "events.open_stream": |s| s.events.open_stream(given::at(0));
        "events.append": |s| {
            let seq = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            s.events.append(stream, seq, [given::event(user, key, given::at(0))].into(), Duration::from_secs(1))
        };
        "events.mark": |s| s.events.mark();
        "events.retire_streams": |s| s.events.retire_streams(given::at(-1_000_000));
        "open_requests.keep": |s| s.open_requests.keep(
            [given::event(user, key, given::at(0))].into(),
            given::at(0),
            Duration::from_secs(1)
        );
        "open_requests.kept": |s| s.open_requests.kept(given::at(0), 10);
        "open_requests.forget": |s| s.open_requests.forget(
            [given::event(user, key, given::at(0)).id].into(),
            Duration::from_secs(1)
        );
        "usage.quota_used": |s| s.usage.quota_used(user, Environment::Live, month);
        "usage.stats": |s| s.usage.stats(&UsageScope::default(), given::at(0), given::at(1));
        "usage.key_totals": |s| s.usage.key_totals(&[key], given::at(0));
        "usage.events": |s| s.usage.events(&UsageScope::default(), 10, None);
        "windows.save": |s| s.windows.save(100, &mark_too, given::at(0));
        "windows.load": |s| s.windows.load(&mut |_| ());
        "devices.begin": |s| s.devices.begin(&given::device(), 10);
        "devices.poll": |s| s.devices.poll(&poll);
        "devices.find": |s| s.devices.find(&code);
        "devices.decide": |s| s.devices.decide(&decision);
        "devices.forget": |s| s.devices.forget(given::at(1), given::at(1), 10);
        "web_sessions.open": |s| s.web_sessions.open(&given::hash().0, id, given::at(1));
        "web_sessions.by_hash": |s| s.web_sessions.by_hash(&given::hash().0);
        "external_identities.user": |s| s.external_identities.user("i", "s");
        "external_identities.create_user": |s| {
            let new = given::user();
            let key = given::key(new.user.id);
            let identity = given::identity(new.user.id);
            s.external_identities.create_user(&new, &key, &identity, &[])
        };
        "external_identities.link": |s| s.external_identities.link(&given::identity(user), 10, None, &[]);
        "external_identities.list": |s| s.external_identities.list(user);
        "mail_tokens.issue": |s| s.mail_tokens.issue(&issue());
        "mail_tokens.by_hash": |s| s.mail_tokens.by_hash(&[1; 32]);
        "mail_tokens.sign_up": |s| s.mail_tokens.sign_up(&sign_up());
        "mail_tokens.reset_password": |s| s.mail_tokens.reset_password(&password_reset(user), &(Arc::new(|_| -> tollgate_domain::AuditEntry { unreachable!() }) as _));
        "mail_tokens.confirm": |s| s.mail_tokens.confirm(&confirmation(user));
        "mail_tokens.disown": |s| s.mail_tokens.disown(&[1; 32], given::at(1), &[]);
        "mail_tokens.forget": |s| s.mail_tokens.forget(given::at(0), 10);
        "second_factors.of_user": |s| s.second_factors.of_user(user);
        "second_factors.propose": |s| s.second_factors.propose(user, b"x", &[]);
        "second_factors.enable": |s| s.second_factors.enable(&given::second_factor(user, b"x"));
        "second_factors.challenge": |s| s.second_factors.challenge(&given::challenge(user, given::at(1)));
        "second_factors.challenged": |s| s.second_factors.challenged(&[[1; 32]], given::at(1));
        "second_factors.sign_in": |s| {
            let attempt = given::code_attempt(user, b"x", given::at(1));
            s.second_factors.sign_in(&given::session(user), &[1; 32], &attempt)
        };
        "second_factors.confirm": |s| s.second_factors.confirm(&ConfirmedChange {
            attempt: given::code_attempt(user, b"x", given::at(1)),
            password: None,
            change: FactorChange::Off,
            audit: Vec::new(),
            mail: None,
        });
        "second_factors.reset": |s| {
            s.second_factors.reset(&FactorReset { user, now: given::at(1), audit: Vec::new(), mail: None })
        };
        "second_factors.forget": |s| s.second_factors.forget(given::at(1), 10);
        "mails.queue": |s| s.mails.queue(&given::mail(given::at(0)));
        "mails.take": |s| s.mails.take(given::at(0), given::at(60));
        "mails.remove": |s| s.mails.remove(waiting.id);
        "mails.retry": |s| s.mails.retry(waiting.id, given::at(1));
        "mails.waiting": |s| s.mails.waiting();
    };
    calls.push(("ping", Arc::new(move || pinged.ping())));
    calls.push(("ensure_partitions", Arc::new(move || prepared.ensure_partitions(given::at(0)))));
    calls
}

/// Runs all calls at once; every one must return.
fn all(calls: &[Call]) -> Vec<(&'static str, Result<(), StoreError>)> {
    let (done, ended) = mpsc::sync_channel(calls.len());
    for (name, call) in calls {
        let (name, call, done) = (*name, Arc::clone(call), done.clone());
        thread::spawn(move || done.send((name, call())));
    }
    drop(done);
    let mut results: Vec<(&str, Result<(), StoreError>)> = Vec::new();
    while results.len() < calls.len() {
        results.push(ended.recv_timeout(LONG).unwrap_or_else(|_| {
            let returned: Vec<_> = results.iter().map(|(name, _)| *name).collect();
            let missing = calls.iter().map(|(name, _)| *name).filter(|name| !returned.contains(name));
            unreachable!("never returned: {:?}", missing.collect::<Vec<_>>())
        }));
    }
    results
}

/// Calls again and again until each has worked; at once they may be refused for want of a connection.
fn all_work(calls: &[Call]) {
    until("every call works", || all(calls).iter().all(|(_, result)| result.is_ok()));
}

fn threads_for_the_database() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| matches!(name.trim(), "database" | "appender"))
        .count()
}

#[test]
fn every_call_returns_while_the_server_hangs_and_works_afterwards() {
    let Some(server) = Server::start() else { return };
    let db = open(&server.url());
    for calls in calls(&db).chunks(AT_ONCE) {
        // So that each has a connection of its own to hang on.
        all_work(calls);
        server.stop();
        for (name, result) in all(calls) {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{name}: {result:?}");
        }
        assert!(threads_for_the_database() <= 64 + 16);
        server.go_on();
        all_work(calls);
    }
}

#[test]
fn threads_that_wait_are_bounded_and_come_back() {
    let Some(server) = Server::start() else { return };
    let db = open(&server.url());
    let stores = db.stores();
    let user = given::stored_user(&stores);
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    server.stop();
    for _ in 0..30 {
        let (stores, group) = (stores.clone(), given::event(user, given::key(user).key.id, given::at(0)));
        let append = move || stores.events.append(stream, 1, [group].into(), Duration::from_millis(10));
        returns("an append", append).unwrap_err();
    }
    let reads: Vec<_> = (0..200)
        .map(|_| {
            let stores = stores.clone();
            thread::spawn(move || stores.users.by_id(user).map(drop))
        })
        .collect();
    let ended = move || reads.into_iter().all(|read| read.join().unwrap().is_err());
    assert!(returns("the reads", ended));
    let most = threads_for_the_database();
    assert!(most <= 64 + 16, "{most} threads");
    server.go_on();
    until("reads work", || stores.users.by_id(user).is_ok());
    let hold = stores.clone();
    until("so do appends", move || hold.events.append(stream, 1, [].into(), LONG).is_ok());
    assert!(threads_for_the_database() <= most, "no other was started");
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(conn: &mut PgConnection, query: &str) -> i64 {
    sql_query(query).get_result::<Number>(conn).unwrap().number
}

#[test]
fn a_group_without_a_verdict_that_is_sent_again_is_there_once() {
    let Some(server) = Server::start() else { return };
    let db = open(&server.url());
    let stores = db.stores();
    let user = given::stored_user(&stores);
    let key = given::stored_key(&stores, user);
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    let mut outside = PgConnection::establish(&server.url()).unwrap();
    let group: Arc<[UsageEvent]> = (0..100).map(|n| given::event(user, key, given::at(n))).collect();
    let (first, rest) = group.split_first().unwrap();
    stores.events.append(stream, 1, [first.clone()].into(), LONG).unwrap();
    let rest: Arc<[UsageEvent]> = rest.into();
    server.stop();
    for _ in 0..3 {
        let (stores, rest) = (stores.clone(), Arc::clone(&rest));
        let append = move || stores.events.append(stream, 2, rest, SHORT);
        assert!(matches!(returns("the append", append), Err(StoreError::Unavailable(_))));
    }
    server.go_on();
    until("the group is there", || stores.events.append(stream, 2, Arc::clone(&rest), LONG).is_ok());
    // And nothing of it is under way any more.
    let under_way = "SELECT count(*) AS number FROM pg_stat_activity \
                     WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND state = 'active'";
    let watching = std::cell::RefCell::new(&mut outside);
    until("nothing is under way", || number(&mut watching.borrow_mut(), under_way) == 0);
    assert_eq!(number(&mut outside, "SELECT count(*) AS number FROM tollgate.usage_events"), 100);
    assert_eq!(given::fold(&stores), 100);
    let used = stores.usage.quota_used(user, Environment::Live, Month::of(given::at(0))).unwrap();
    assert_eq!(used, 100 * 150);
}

#[test]
fn a_database_that_hangs_while_it_is_opened_is_away() {
    let Some(server) = Server::start() else { return };
    // The migrations wait for somebody else's, as long as it takes, so that the server can be stopped under them.
    let mut other = PgConnection::establish(&server.url()).unwrap();
    let lock = 0x746f_6c6c_6d69_6772_i64;
    sql_query(format!("SELECT count(pg_advisory_lock({lock})) AS number")).execute(&mut other).unwrap();
    let url = server.url();
    let opening =
        thread::spawn(move || Db::open(&settings(&url), Arc::new(Nobody), Arc::new(Fixed)).map(drop));
    let waits = "SELECT count(*) AS number FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let waiting = std::cell::RefCell::new(&mut other);
    until("the migrations wait", || number(&mut waiting.borrow_mut(), waits) == 1);
    server.stop();
    let error = returns("the opening", move || opening.join().unwrap()).unwrap_err();
    assert!(error.is_away() && matches!(error, OpenError::Away { .. }), "{error:?}");
    let url = server.url();
    let anew =
        returns("the next", move || Db::open(&settings(&url), Arc::new(Nobody), Arc::new(Fixed)).map(drop));
    assert!(anew.is_err_and(|error| error.is_away()));
    server.go_on();
    drop(other);
    given::stored_user(&open(&server.url()).stores());
}

#[test]
fn a_hung_server_has_not_given_the_lock_to_anybody_else() {
    let Some(server) = Server::start() else { return };
    let lock = Arc::new(ServerLock::take(&server.url().parse().unwrap(), Duration::ZERO).unwrap());
    assert_eq!(lock.still_held(), Standing::Held);
    server.stop();
    for _ in 0..3 {
        let lock = Arc::clone(&lock);
        assert_eq!(returns("the look", move || lock.still_held()), Standing::NoAnswer);
    }
    server.go_on();
    until("it is held", || lock.still_held() == Standing::Held);
}

#[test]
fn a_lock_is_taken_again_from_its_own_orphan_and_from_nobody_else() {
    let Some(server) = Server::start() else { return };
    let network = server.network();
    let mut lock = ServerLock::take(&network.url().parse().unwrap(), Duration::ZERO).unwrap();
    let other = || ServerLock::take(&server.url().parse().unwrap(), Duration::ZERO);
    network.forget_clients();
    until("the loss is noticed", || lock.still_held() == Standing::Lost);
    // The server believes the session alive, and so does everybody else.
    assert!(other().is_err());
    lock.retake().unwrap();
    assert_eq!(lock.still_held(), Standing::Held);
    assert!(other().is_err());

    let mut outside = PgConnection::establish(&server.url()).unwrap();
    let end = "SELECT count(pg_terminate_backend(pid, 10000)) AS number FROM pg_locks \
               WHERE locktype = 'advisory' AND granted";
    assert_eq!(number(&mut outside, end), 1);
    network.forget_clients();
    let stranger = other().unwrap();
    assert_eq!(lock.still_held(), Standing::Lost);
    let error = lock.retake().unwrap_err();
    assert!(matches!(error, tollgate_persistence::LockError::HeldElsewhere), "{error:?}");
    assert_eq!(stranger.still_held(), Standing::Held);
}

#[test]
fn a_network_that_swallows_packets_is_like_a_server_that_hangs() {
    let Some(server) = Server::start() else { return };
    let network = server.network();
    let db = open(&network.url());
    let stores = db.stores();
    let user = given::stored_user(&stores);
    let mut lock = ServerLock::take(&network.url().parse().unwrap(), Duration::ZERO).unwrap();
    network.swallow(true);
    let asked = stores.clone();
    let read = returns("the read", move || asked.users.by_id(user));
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    assert_eq!(lock.still_held(), Standing::NoAnswer);
    // The answers are lost, so what waits for them is over only with its connection.
    network.swallow(false);
    network.forget_clients();
    until("reads work", || stores.users.by_id(user).is_ok_and(|found| found.is_some()));
    until("the loss is noticed", || lock.still_held() == Standing::Lost);
    lock.retake().unwrap();
    assert_eq!(lock.still_held(), Standing::Held);
}
