use std::{fs, io::Write, os::unix::fs::PermissionsExt};

use tollgate_store::{OpenRequestStore, SpoolStore, suite::given};

use super::*;

fn events(count: u32) -> Vec<tollgate_domain::UsageEvent> {
    let user = given::user().user.id;
    let key = given::key(user).key.id;
    (0..count).map(|second| given::event(user, key, given::at(second.into()))).collect()
}

#[test]
fn events_wait_in_order_once_each_and_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let all = events(10);
    let spool = Spool::open(folder.path()).unwrap();
    spool.append(&all[..6]).unwrap();
    // Sent again, as after an answer that got lost.
    spool.append(&all[4..]).unwrap();
    drop(spool);
    let spool = Spool::open(folder.path()).unwrap();
    assert_eq!(spool.oldest(4).unwrap(), all[..4]);
    assert_eq!(spool.oldest(100).unwrap(), all);
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.oldest, depth.rejected), (10, Some(all[0].time), 0));
    spool.remove(&[all[0].id, all[2].id]).unwrap();
    assert_eq!(spool.oldest(1).unwrap(), all[1..2]);
    spool.reject(&all[1], "refused", given::at(100)).unwrap();
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.rejected), (7, 1));
}

#[test]
fn open_requests_are_kept_at_their_latest() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    let mut all = events(3);
    spool.keep(all.clone().into(), given::at(10), std::time::Duration::ZERO).unwrap();
    all[1].duration_ms += 2_000;
    spool.keep(all[1..2].to_vec().into(), given::at(12), std::time::Duration::ZERO).unwrap();
    assert_eq!(spool.kept(given::at(11), 10).unwrap().len(), 2);
    let kept = spool.kept(given::at(13), 10).unwrap();
    assert!(kept.len() == 3 && all.iter().all(|event| kept.contains(event)), "{kept:?}");
    spool.forget([all[0].id, all[2].id].into(), std::time::Duration::ZERO).unwrap();
    assert_eq!(spool.kept(given::at(13), 10).unwrap(), all[1..2]);
}

#[test]
fn only_its_owner_reads_it_and_one_process_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    spool.append(&events(1)).unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    assert!(matches!(Spool::open(folder.path()), Err(SpoolError::Lock(LockError::HeldByProcess { .. }))));
}

#[test]
fn what_is_no_spool_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);

    fs::write(&path, "Dear operator, this is a letter and not a database, whatever its name is.").unwrap();
    let before = fs::read(&path).unwrap();
    let error = Spool::open(folder.path()).err().unwrap();
    assert!(
        matches!(error, SpoolError::Unusable { .. }) && error.to_string().contains("spool.db"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("CREATE TABLE letters (text TEXT)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    assert!(matches!(Spool::open(folder.path()), Err(SpoolError::Unusable { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_spool_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    spool.append(&events(500)).unwrap();
    spool.conn().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(spool);
    let path = folder.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xa5);
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    file.write_all(&bytes).unwrap();
    assert!(matches!(Spool::open(folder.path()), Err(SpoolError::Unusable { .. })));
}

#[test]
fn a_full_spool_says_so_and_takes_again_when_drained() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    spool.append(&events(10)).unwrap();
    spool.conn().batch_execute("PRAGMA max_page_count=40").unwrap();
    let many = events(1_000);
    assert!(matches!(spool.append(&many), Err(StoreError::Unavailable(_))));
    assert_eq!(spool.depth().unwrap().waiting, 10);
    spool.append(&many[..10]).unwrap();
    assert_eq!(spool.depth().unwrap().waiting, 20);
}

#[test]
fn room_is_kept_for_the_drain_and_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let length = || fs::metadata(folder.path().join("spool.reserve")).map_or(0, |file| file.len());
    let spool = Spool::open(folder.path()).unwrap();
    assert_eq!(length(), 16 * 1_024 * 1_024);
    let all = events(10);
    spool.append(&all).unwrap();
    assert!(spool.reserve.give() && !spool.reserve.give());
    assert_eq!(length(), 0);
    assert_eq!(spool.oldest(1).unwrap().len(), 1);
    assert_eq!(length(), 0, "kept again only when nothing waits");
    spool.remove(&all.iter().map(|event| event.id).collect::<Vec<_>>()).unwrap();
    assert_eq!(spool.oldest(1).unwrap(), []);
    assert_eq!(length(), 16 * 1_024 * 1_024);
}
