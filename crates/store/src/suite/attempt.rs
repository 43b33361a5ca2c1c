//! Promises of [`AttemptStore`](crate::AttemptStore).

use std::thread;

use chrono::TimeDelta;
use tollgate_domain::Time;

use super::given;
use crate::{
    AddressCount, AddressHit, Attempt, Attempted, Cleared, NewSession, Stores,
    attempt::{COUNTED_FOR, KNOWN_FOR},
};

const ACCOUNT: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];
const HOME: [u8; 32] = [3; 32];
const OFFICE: [u8; 32] = [4; 32];
const ADDRESS: [u8; 32] = [5; 32];
const ADMITTED: Attempted = Attempted::Admitted { locks: false };
const LAST: Attempted = Attempted::Admitted { locks: true };

fn begin(stores: &Stores, account: [u8; 32], now: Time) -> Attempted {
    stores.attempts.begin(&Attempt { now, ..given::attempt(account) }).unwrap()
}

fn begin_at(stores: &Stores, place: [u8; 32], now: Time) -> Attempted {
    let attempt = Attempt { known: vec![place], now, ..given::attempt(ACCOUNT) };
    stores.attempts.begin(&attempt).unwrap()
}

fn signed_in(stores: &Stores, cleared: Cleared, now: Time) {
    let user = given::stored_user(stores);
    let mut new = NewSession { attempts: Some(cleared), ..given::session(user) };
    new.session.created_at = now;
    assert!(stores.sessions.open(&new).unwrap());
}

fn cleared(known: &[[u8; 32]]) -> Cleared {
    Cleared { account: ACCOUNT, known: known.to_vec(), address: None }
}

/// So many are admitted, then there is a lock, which later attempts do not lengthen; and then one at a time.
pub fn attempts_lock_an_account_and_then_one_is_admitted_at_a_time(stores: &Stores) {
    let until = Attempted::Locked(given::at(2) + TimeDelta::minutes(30));
    assert_eq!([0, 1, 2].map(|second| begin(stores, ACCOUNT, given::at(second))), [ADMITTED, ADMITTED, LAST]);
    assert_eq!([3, 4, 1_801].map(|second| begin(stores, ACCOUNT, given::at(second))), [until; 3]);
    assert_eq!(begin(stores, OTHER, given::at(3)), ADMITTED);
    assert_eq!(begin(stores, ACCOUNT, given::at(1_802)), LAST);
    let again = Attempted::Locked(given::at(3_602));
    assert_eq!([1_802, 3_601].map(|second| begin(stores, ACCOUNT, given::at(second))), [again; 2]);
    assert_eq!(begin(stores, ACCOUNT, given::at(3_602)), LAST);
}

/// Of attempts that come at once, none is lost, and as many are admitted as may be.
pub fn attempts_at_once_are_all_counted(stores: &Stores) {
    const THREADS: usize = 20;
    const EACH: usize = 50;
    let admitted: usize = thread::scope(|scope| {
        let trying = || {
            (0..EACH)
                .filter(|_| matches!(begin(stores, ACCOUNT, given::at(0)), Attempted::Admitted { .. }))
                .count()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(trying)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 3);
    // As many more are admitted before a lock as were not counted: none.
    let all = u32::try_from(THREADS * EACH).unwrap();
    let next = |max_attempts| Attempt { max_attempts, now: given::at(1_800), ..given::attempt(ACCOUNT) };
    assert_eq!(stores.attempts.begin(&next(all + 2)).unwrap(), ADMITTED);
    assert_eq!(stores.attempts.begin(&next(all + 2)).unwrap(), LAST);
}

/// Attempts and what does away with them go on side by side.
pub fn attempts_are_counted_while_counts_are_cleared(stores: &Stores) {
    let user = given::stored_user(stores);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|_| {
                    begin(stores, ACCOUNT, given::at(0));
                })
            });
            scope.spawn(|| {
                for _ in 0..25 {
                    stores.attempts.clear(&[OTHER, ACCOUNT], Some(user), &[]).unwrap();
                    let new = NewSession { attempts: Some(cleared(&[HOME])), ..given::session(user) };
                    assert!(stores.sessions.open(&new).unwrap());
                }
            });
        }
    });
    stores.attempts.clear(&[ACCOUNT], None, &[]).unwrap();
    assert_eq!(begin(stores, ACCOUNT, given::at(0)), ADMITTED);
}

/// A session resets the count of what it came from: the account's, or the known address' own.
pub fn a_session_resets_the_count_that_it_came_from(stores: &Stores) {
    for _ in 0..2 {
        begin_at(stores, HOME, given::at(0));
    }
    signed_in(stores, cleared(&[HOME]), given::at(1));
    // The first two are forgotten, and the address has an allowance of its own.
    assert_eq!([(); 3].map(|()| begin_at(stores, HOME, given::at(2))), [ADMITTED, ADMITTED, LAST]);
    assert_eq!([(); 3].map(|()| begin_at(stores, OFFICE, given::at(2))), [ADMITTED, ADMITTED, LAST]);
    assert!(matches!(begin(stores, ACCOUNT, given::at(3)), Attempted::Locked(_)));
    assert!(matches!(begin_at(stores, HOME, given::at(3)), Attempted::Locked(_)));
    // At the known address alone.
    signed_in(stores, cleared(&[HOME]), given::at(4));
    assert_eq!(begin_at(stores, HOME, given::at(5)), ADMITTED);
    assert!(matches!(begin(stores, ACCOUNT, given::at(5)), Attempted::Locked(_)));
}

/// Strangers who lock an account leave an address that has signed in before what it may try, for so long.
pub fn a_known_address_is_known_for_so_long(stores: &Stores) {
    signed_in(stores, cleared(&[HOME]), given::at(0));
    for _ in 0..10 {
        begin(stores, ACCOUNT, given::at(1));
    }
    assert_eq!([(); 3].map(|()| begin_at(stores, HOME, given::at(1))), [ADMITTED, ADMITTED, LAST]);
    let late = given::at(0) + KNOWN_FOR;
    for _ in 0..3 {
        begin(stores, ACCOUNT, late);
    }
    assert!(matches!(begin_at(stores, HOME, late), Attempted::Locked(_)));
    // Known under an older pepper's hash too.
    signed_in(stores, cleared(&[OFFICE]), late);
    let attempt = Attempt { known: vec![[9; 32], OFFICE], now: late, ..given::attempt(ACCOUNT) };
    assert_eq!(stores.attempts.begin(&attempt).unwrap(), ADMITTED);
}

/// A session that is not opened makes nothing good.
pub fn what_opens_nothing_resets_nothing(stores: &Stores) {
    let user = given::stored_user(stores);
    let password = crate::ProvedPassword { hash: "another".to_owned(), replacement: None };
    let new =
        NewSession { attempts: Some(cleared(&[HOME])), password: Some(password), ..given::session(user) };
    begin(stores, ACCOUNT, given::at(0));
    assert!(!stores.sessions.open(&new).unwrap());
    assert_eq!([(); 2].map(|()| begin_at(stores, HOME, given::at(1))), [ADMITTED, LAST]);
}

/// An administrator ends every lock of a user, and of nobody else.
pub fn a_cleared_user_has_no_counts(stores: &Stores) {
    let user = given::stored_user(stores);
    let mut new = NewSession { attempts: Some(cleared(&[HOME])), ..given::session(user) };
    new.session.created_at = given::at(0);
    assert!(stores.sessions.open(&new).unwrap());
    for _ in 0..4 {
        begin(stores, ACCOUNT, given::at(1));
        begin(stores, OTHER, given::at(1));
        begin_at(stores, HOME, given::at(1));
    }
    stores.attempts.clear(&[ACCOUNT], Some(user), &[]).unwrap();
    assert_eq!(begin(stores, ACCOUNT, given::at(2)), ADMITTED);
    assert_eq!(begin_at(stores, HOME, given::at(2)), ADMITTED);
    assert!(matches!(begin(stores, OTHER, given::at(2)), Attempted::Locked(_)));
}

/// An address may do so much within any hour, of each kind, and is told when it may do more.
pub fn an_address_does_so_much_an_hour(stores: &Stores) {
    // 12:00:00.1 to 12:05, and so on.
    let count =
        |second| stores.attempts.count_address(&given::address(ADDRESS, 3), given::at(second)).unwrap();
    assert_eq!([0, 1, 400].map(count), [None; 3]);
    let first = given::at(0) + TimeDelta::minutes(65) - TimeDelta::microseconds(123_456);
    assert_eq!([401, 3_000, 3_899].map(count), [Some(first); 3]);
    // What was refused has not counted; the first slot has left.
    assert_eq!([3_900, 3_901].map(count), [None; 2]);
    let second = first + TimeDelta::minutes(5);
    assert_eq!(count(3_902), Some(second));

    let others = [
        given::address([7; 32], 3),
        AddressCount { hit: AddressHit::SignUp, ..given::address(ADDRESS, 3) },
        AddressCount { hit: AddressHit::Mail, ..given::address(ADDRESS, 3) },
    ];
    for other in others {
        assert_eq!(stores.attempts.count_address(&other, given::at(3_902)).unwrap(), None);
    }
}

/// An address that has no attempts left counts at no account, and a session gives it its own back.
pub fn a_full_address_counts_at_no_account(stores: &Stores) {
    let from = |account, limit| {
        let address = Some(given::address(ADDRESS, limit));
        stores.attempts.begin(&Attempt { address, ..given::attempt(account) }).unwrap()
    };
    assert_eq!([from(OTHER, 2), from(OTHER, 2)], [ADMITTED, ADMITTED]);
    for _ in 0..5 {
        assert!(matches!(from(ACCOUNT, 2), Attempted::AddressFull(_)));
    }
    signed_in(stores, Cleared { address: Some(ADDRESS), ..cleared(&[]) }, given::at(1));
    assert_eq!(from(ACCOUNT, 2), ADMITTED);
    assert!(matches!(from(ACCOUNT, 2), Attempted::AddressFull(_)));
    // Beyond what it did, nothing is given back.
    for _ in 0..5 {
        signed_in(stores, Cleared { address: Some(ADDRESS), ..cleared(&[]) }, given::at(1));
    }
    assert_eq!([from(ACCOUNT, 1), from(OTHER, 2)], [ADMITTED, LAST]);
}

/// Of what an address does at once, as much is admitted as may be.
pub fn an_address_does_no_more_at_once(stores: &Stores) {
    let admitted: usize = thread::scope(|scope| {
        let trying = || {
            let count =
                |_: &i32| stores.attempts.count_address(&given::address(ADDRESS, 17), given::at(0)).unwrap();
            (0..10).filter(|place| count(place).is_none()).count()
        };
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(trying)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 17);
}

/// What counts nowhere any more is forgotten in pieces, and nothing else.
pub fn attempts_that_count_nowhere_are_forgotten_in_pieces(stores: &Stores) {
    let hour = TimeDelta::hours(1);
    for account in 10..15 {
        begin(stores, [account; 32], given::at(0));
        stores.attempts.count_address(&given::address([account; 32], 9), given::at(0)).unwrap();
    }
    for _ in 0..3 {
        begin(stores, ACCOUNT, given::at(0));
    }
    signed_in(stores, cleared(&[HOME]), given::at(0));
    begin_at(stores, HOME, given::at(0));
    let forget = |now| stores.attempts.forget(now, 2).unwrap();
    assert_eq!(forget(given::at(0) + hour), 0);
    let pieces: Vec<_> = (0..4).map(|_| forget(given::at(0) + hour * 2)).collect();
    assert_eq!(pieces, [2, 2, 1, 0], "the address' slots");
    begin(stores, [10; 32], given::at(60));
    // The lock of the account was reset by the session; what it left is idle as the others are.
    let pieces: Vec<_> = (0..4).map(|_| forget(given::at(1) + COUNTED_FOR)).collect();
    assert_eq!(pieces, [2, 2, 1, 0], "four accounts and the known address' count");
    assert_eq!(begin(stores, [10; 32], given::at(61)), LAST, "the third: nothing of it was forgotten");
    assert_eq!([0, 1].map(|_| forget(given::at(0) + KNOWN_FOR)), [2, 0]);
    assert_eq!(begin_at(stores, HOME, given::at(0)), ADMITTED);
}
