//! Promises of [`ChangeStore`](crate::ChangeStore).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tollgate_domain::{ApiKey, User, UserId};

use super::given;
use crate::{Change, Changes, Edit, Stores};

/// What was changed since `before`.
fn since(stores: &Stores, before: i64) -> Vec<Change> {
    let changes = stores.changes.since(before, 100).unwrap();
    assert!(!changes.gap);
    changes.changes
}

/// What it is, how it is done, and what it must list.
type Write<'a> = (&'a str, &'a dyn Fn(), Vec<Change>);

/// Every write that a memory must learn of is listed, and nothing else is.
pub fn each_write_says_what_changed(stores: &Stores) {
    assert_eq!(stores.changes.latest().unwrap(), 0);
    assert_eq!(stores.changes.since(0, 10).unwrap(), Changes::default());
    let new = given::user();
    let (user, key) = (new.user.id, given::key(new.user.id));
    let session = given::session(user);
    let renamed: Edit<User> = Arc::new(|user| user.name = Some("Renamed".to_owned()));
    let off: Edit<ApiKey> = Arc::new(|key| key.is_active = false);
    let writes: [Write<'_>; 10] = [
        (
            "a user with a key",
            &|| stores.users.create(&new, Some(&key), &[]).unwrap(),
            vec![Change::User(user), Change::Key(key.key.id)],
        ),
        (
            "a user that is there already",
            &|| {
                stores.users.create(&new, None, &[]).unwrap_err();
            },
            vec![],
        ),
        (
            "a key beyond the limit",
            &|| assert!(!stores.keys.create(&given::key(user), 1, &[]).unwrap()),
            vec![],
        ),
        (
            "an edit of a user",
            &|| drop(stores.users.edit(user, Arc::clone(&renamed), given::at(1), &[]).unwrap()),
            vec![Change::User(user)],
        ),
        (
            "the same again",
            &|| drop(stores.users.edit(user, Arc::clone(&renamed), given::at(2), &[]).unwrap()),
            vec![],
        ),
        (
            "an edit of a key",
            &|| drop(stores.keys.edit(key.key.id, Arc::clone(&off), given::at(1), &[]).unwrap()),
            vec![Change::Key(key.key.id)],
        ),
        (
            "a revocation",
            &|| drop(stores.keys.revoke(key.key.id, None, given::at(1), &[]).unwrap()),
            vec![Change::Key(key.key.id)],
        ),
        ("a second one", &|| drop(stores.keys.revoke(key.key.id, None, given::at(1), &[]).unwrap()), vec![]),
        (
            "the end of a session",
            &|| {
                stores.sessions.open(&session).unwrap();
                assert!(stores.sessions.end(session.session.id, None, given::at(1), &[]).unwrap());
            },
            vec![Change::Session(session.session.id)],
        ),
        (
            "a second end",
            &|| assert!(!stores.sessions.end(session.session.id, None, given::at(1), &[]).unwrap()),
            vec![],
        ),
    ];
    for (what, write, expected) in writes {
        let before = stores.changes.latest().unwrap();
        write();
        assert_eq!(since(stores, before), expected, "{what}");
    }
}

/// Numbers have no gaps while many write, and who has seen a change reads at least what it wrote.
pub fn numbers_follow_commits_without_gaps(stores: &Stores) {
    const THREADS: usize = 8;
    const EDITS: u64 = 15;
    let users: Vec<UserId> = (0..THREADS).map(|_| given::stored_user(stores)).collect();
    let start = stores.changes.latest().unwrap();
    let done = AtomicBool::new(false);
    let edits_of = |id| stores.users.by_id(id).unwrap().unwrap().monthly_token_limit.unwrap_or(0);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut seen) = (start, HashMap::<UserId, u64>::new());
            loop {
                let finished = done.load(Ordering::Acquire);
                let changes = stores.changes.since(last, 7).unwrap();
                assert!(!changes.gap, "a gap after {last}");
                let count = i64::try_from(changes.changes.len()).unwrap();
                assert_eq!(changes.upto, last + count);
                for change in &changes.changes {
                    let Change::User(id) = change else { unreachable!("only users were changed") };
                    let count = seen.entry(*id).or_default();
                    *count += 1;
                    assert!(edits_of(*id) >= *count, "a number was seen before its change");
                }
                last = changes.upto;
                if finished && changes.changes.is_empty() {
                    return seen;
                }
            }
        });
        let writers: Vec<_> = users
            .iter()
            .map(|id| {
                scope.spawn(|| {
                    for _ in 0..EDITS {
                        let add = |user: &mut User| {
                            user.monthly_token_limit = Some(user.monthly_token_limit.unwrap_or(0) + 1);
                        };
                        stores.users.edit(*id, Arc::new(add), given::at(1), &[]).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert_eq!(seen, users.into_iter().map(|id| (id, EDITS)).collect());
}

/// A limited list goes on where it stopped.
pub fn a_limit_cuts_the_list_not_the_changes(stores: &Stores) {
    let made: Vec<Change> = (0..5).map(|_| Change::User(given::stored_user(stores))).collect();
    let first = stores.changes.since(0, 3).unwrap();
    let second = stores.changes.since(first.upto, 3).unwrap();
    let third = stores.changes.since(second.upto, 3).unwrap();
    assert_eq!((first.upto, second.upto, third.upto), (3, 5, 5));
    assert_eq!([first.changes, second.changes, third.changes].concat(), made);
    assert_eq!(stores.changes.latest().unwrap(), 5);
}

/// Who names a number that this database never gave has known another one: all must be forgotten.
pub fn a_number_that_was_never_given_is_a_gap(stores: &Stores) {
    given::stored_user(stores);
    let changes = stores.changes.since(7, 10).unwrap();
    assert!(changes.gap);
    assert_eq!(changes.upto, 1);
}
