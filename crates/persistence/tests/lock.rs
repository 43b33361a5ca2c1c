//! One server per database.

use std::time::Duration;

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use tollgate_persistence::{LockError, ServerLock, Standing, testing::TestDb};

#[test]
fn a_second_server_of_a_file_learns_the_firsts_process() {
    let database = TestDb::sqlite();
    let url = &database.settings().url;
    let first = ServerLock::take(url, Duration::ZERO).unwrap();
    assert_eq!(first.still_held(), Standing::Held);
    let Err(LockError::HeldByProcess { pid, path }) = ServerLock::take(url, Duration::ZERO) else {
        unreachable!("the first still has it")
    };
    assert_eq!(pid, std::process::id().to_string());
    assert!(path.to_string_lossy().ends_with("tollgate.db.lock"), "{}", path.display());
    drop(first);
    ServerLock::take(url, Duration::ZERO).unwrap();
}

#[test]
fn a_second_server_on_postgres_waits_and_is_then_told_of_redis() {
    let Some(database) = TestDb::postgres() else { return };
    let url = &database.settings().url;
    let first = ServerLock::take(url, Duration::ZERO).unwrap();
    let error = ServerLock::take(url, Duration::from_millis(300)).err().unwrap();
    assert!(matches!(error, LockError::HeldElsewhere) && error.to_string().contains("Redis"), "{error}");

    std::thread::scope(|scope| {
        let second = scope.spawn(|| ServerLock::take(url, Duration::from_secs(60)));
        drop(first);
        assert_eq!(second.join().unwrap().unwrap().still_held(), Standing::Held);
    });
}

#[test]
fn a_lock_is_lost_with_its_connection() {
    let Some(database) = TestDb::postgres() else { return };
    let lock = ServerLock::take(&database.settings().url, Duration::ZERO).unwrap();
    assert_eq!(lock.still_held(), Standing::Held);
    PgConnection::establish(&database.url())
        .unwrap()
        .batch_execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks \
             WHERE locktype = 'advisory' AND database = \
             (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .unwrap();
    assert_eq!(lock.still_held(), Standing::Lost);
}
