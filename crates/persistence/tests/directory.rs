//! What a process remembers of keys, over changes of a few and of thousands.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use tollgate_domain::{KeyHash, KeyId};
use tollgate_persistence::testing::TestDb;
use tollgate_store::{
    Change, ChangeListener, Directory, Freshness, KeyRotation, Lookup, NewKey, Stores, suite::given,
};

/// Bytes for every key that is remembered here.
const ROOM: usize = 1 << 24;
/// More than a step of the changes has.
const MANY: usize = 2_500;
/// Seconds until long after any clock that a test runs by.
const FAR: i64 = 10_000_000_000;

fn made(stores: &Stores) -> NewKey {
    let key = given::key(given::stored_user(stores));
    assert!(stores.keys.create(&key, 9, &[]).unwrap());
    key
}

/// Whether a key is known, after the store was asked for it.
fn load(directory: &Directory, stores: &Stores, hash: &KeyHash) -> bool {
    directory.load_key(stores, hash, given::at(0)).unwrap().is_some()
}

fn is_known(directory: &Directory, hash: &KeyHash) -> bool {
    matches!(directory.key(hash, given::at(0)), Lookup::Known(_))
}

fn strangers(count: usize) -> Vec<Change> {
    (0..count).map(|_| Change::Key(KeyId::new(given::at(0), &given::Numbers))).collect()
}

#[test]
fn changes_of_other_keys_leave_those_that_are_remembered() {
    let database = TestDb::sqlite();
    let (stores, directory) = (database.stores(), Directory::new(ROOM));
    let keys: Vec<NewKey> = (0..20).map(|_| made(&stores)).collect();
    assert!(keys.iter().all(|key| load(&directory, &stores, &key.hash)));
    let [changed, kept @ ..] = keys.as_slice() else { unreachable!("twenty were made") };
    let mut changes = strangers(MANY);
    changes.insert(MANY / 2, Change::Key(changed.key.id));
    directory.changed(&changes);
    assert!(!is_known(&directory, &changed.hash));
    assert!(kept.iter().all(|key| is_known(&directory, &key.hash)));
}

#[test]
fn a_key_that_was_absent_is_asked_for_again_once_it_is_made() {
    let database = TestDb::sqlite();
    let (stores, directory) = (database.stores(), Directory::new(ROOM));
    let key = given::key(given::stored_user(&stores));
    assert!(!load(&directory, &stores, &key.hash));
    assert!(matches!(directory.key(&key.hash, given::at(0)), Lookup::Absent));
    let mut changes = strangers(MANY);
    changes.push(Change::Key(key.key.id));
    directory.changed(&changes);
    assert!(matches!(directory.key(&key.hash, given::at(0)), Lookup::Ask));
}

/// There is room for a key a shard: the ways from ids to hashes get lost as often as the keys.
#[test]
fn a_key_is_forgotten_also_where_its_id_is_not_remembered() {
    let database = TestDb::sqlite();
    let (stores, directory) = (database.stores(), Directory::new(0));
    let keys: Vec<NewKey> = (0..400).map(|_| made(&stores)).collect();
    for key in &keys {
        load(&directory, &stores, &key.hash);
    }
    let remembered = keys.iter().filter(|key| is_known(&directory, &key.hash)).count();
    assert!((1..=64).contains(&remembered), "{remembered}");
    let changes: Vec<Change> = keys.iter().map(|key| Change::Key(key.key.id)).collect();
    let (odd, even): (Vec<_>, Vec<_>) = changes.iter().enumerate().partition(|(place, _)| place % 2 == 1);
    directory.changed(&odd.into_iter().map(|(_, change)| *change).collect::<Vec<_>>());
    assert!(keys.iter().skip(1).step_by(2).all(|key| !is_known(&directory, &key.hash)));
    directory.changed(&even.into_iter().map(|(_, change)| *change).collect::<Vec<_>>());
    assert!(keys.iter().all(|key| !is_known(&directory, &key.hash)));
}

/// Where the way from an id was lost and found again by one of two secrets, the other is forgotten with it.
#[test]
fn a_key_is_forgotten_by_all_its_secrets() {
    let database = TestDb::sqlite();
    let (stores, directory) = (database.stores(), Directory::new(0));
    let keys: Vec<(KeyId, [KeyHash; 2])> = (0..200)
        .map(|_| {
            let (key, hash) = (made(&stores), given::hash());
            let rotation = KeyRotation {
                id: key.key.id,
                owner: None,
                hash,
                prefix: String::new(),
                preview: String::new(),
                sealed: None,
                grace_until: Some(given::at(FAR)),
                maker: None,
                now: given::at(0),
                audit: Vec::new(),
            };
            assert!(stores.keys.rotate(&rotation).unwrap().is_some());
            (key.key.id, [key.hash, hash])
        })
        .collect();
    // Which of them make room is a matter of chance: once is not enough.
    for _ in 0..30 {
        for secret in [0, 1] {
            for (_, hashes) in &keys {
                load(&directory, &stores, &hashes[secret]);
            }
        }
        assert!(keys.iter().flat_map(|(_, hashes)| hashes).any(|hash| is_known(&directory, hash)));
        for (id, hashes) in &keys {
            directory.changed(&[Change::Key(*id)]);
            assert!(hashes.iter().all(|hash| !is_known(&directory, hash)), "{id}");
        }
    }
}

#[test]
fn who_follows_the_changes_catches_up_with_thousands_in_a_step() {
    let database = TestDb::sqlite();
    let (stores, directory) = (database.stores(), Directory::new(ROOM));
    let key = made(&stores);
    let mut freshness = Freshness::start(&stores).unwrap();
    assert!(load(&directory, &stores, &key.hash));
    let before = stores.changes.latest().unwrap();
    let batch: Vec<_> = (0..200).map(|_| tollgate_store::suite::import::key()).collect();
    stores.keys.import(&batch, false).unwrap();
    for piece in 0..7 {
        let users: Vec<_> = (0..200).map(|_| tollgate_store::suite::import::user()).collect();
        assert_eq!(stores.users.import(&users, false).unwrap().len(), 200, "{piece}");
    }
    freshness.step(&stores, &directory).unwrap();
    assert!(stores.changes.latest().unwrap() - before >= 1_800);
    assert!(is_known(&directory, &key.hash));
    stores.keys.revoke(key.key.id, None, given::at(1), &[]).unwrap();
    freshness.step(&stores, &directory).unwrap();
    assert!(!is_known(&directory, &key.hash));
}
