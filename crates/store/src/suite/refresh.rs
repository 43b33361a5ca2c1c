//! Promises of refreshing: [`SessionStore::rotate`](crate::SessionStore::rotate) and what is forgotten later.

use std::{sync::Barrier, thread};

use tollgate_domain::Time;

use super::given;
use crate::{Change, NewSession, Rotated, Rotation, Stores};

fn open(stores: &Stores) -> NewSession {
    let new = given::session(given::stored_user(stores));
    stores.sessions.open(&new).unwrap();
    new
}

fn rotate(stores: &Stores, rotation: &Rotation) -> Rotated {
    stores.sessions.rotate(rotation).unwrap()
}

/// The next refresh of the same session: by the successor that `before` made.
fn next(before: &Rotation, now: Time) -> Rotation {
    let mut session = given::session(given::user().user.id);
    session.session.id = before.session;
    session.refresh_hash = before.successor;
    given::rotation(&session, now)
}

/// The same token again, as a client does that has not seen the answer: with a successor of its own.
fn again(before: &Rotation, now: Time) -> Rotation {
    Rotation { presented: before.presented, ..next(before, now) }
}

fn is_open(stores: &Stores, new: &NewSession) -> bool {
    stores.sessions.by_id(new.session.id).unwrap().unwrap().is_open(given::at(100))
}

/// A token is exchanged for its successor, which is exchanged in turn; the end stays where it was.
pub fn a_refresh_token_is_spent_once(stores: &Stores) {
    let new = open(stores);
    let before = stores.changes.latest().unwrap();
    let mut rotation = given::rotation(&new, given::at(10));
    for second in [20, 30, 40] {
        assert_eq!(rotate(stores, &rotation), Rotated::Fresh);
        rotation = next(&rotation, given::at(second));
    }
    assert_eq!(stores.sessions.by_id(new.session.id).unwrap(), Some(new.session.clone()));
    for hash in [new.refresh_hash, rotation.presented] {
        assert_eq!(stores.sessions.by_refresh(&hash).unwrap(), Some(new.session.clone()));
    }
    assert_eq!(stores.sessions.by_refresh(&rotation.successor).unwrap(), None);
    // Nothing that memories know has changed.
    assert_eq!(stores.changes.latest().unwrap(), before);
}

/// A lost answer is given again, and after its time the token counts as stolen.
pub fn a_spent_token_is_answered_again_for_a_moment(stores: &Stores) {
    let new = open(stores);
    let first = given::rotation(&new, given::at(10));
    assert_eq!(rotate(stores, &first), Rotated::Fresh);
    for second in [10, 15, 19] {
        let wish = again(&first, given::at(second));
        assert_eq!(rotate(stores, &wish), Rotated::Again(first.answer.clone()));
        assert_eq!(stores.sessions.by_refresh(&wish.successor).unwrap(), None);
    }
    let before = stores.changes.latest().unwrap();
    assert_eq!(rotate(stores, &again(&first, given::at(20))), Rotated::Reused);
    let session = stores.sessions.by_id(new.session.id).unwrap().unwrap();
    assert_eq!(session.ended_at, Some(given::at(20)));
    let changes = stores.changes.since(before, 10).unwrap().changes;
    assert_eq!(changes, [Change::Session(new.session.id)]);
    for late in [again(&first, given::at(21)), next(&first, given::at(21))] {
        assert_eq!(rotate(stores, &late), Rotated::Refused);
    }
}

/// Once the successor was used, the token before it can only be a thief's, however soon it comes.
pub fn a_spent_token_whose_successor_was_used_ends_the_session(stores: &Stores) {
    let (new, other) = (open(stores), open(stores));
    let first = given::rotation(&new, given::at(10));
    assert_eq!(rotate(stores, &first), Rotated::Fresh);
    let second = next(&first, given::at(11));
    assert_eq!(rotate(stores, &second), Rotated::Fresh);
    assert_eq!(rotate(stores, &again(&first, given::at(12))), Rotated::Reused);
    assert!(!is_open(stores, &new));
    assert_eq!(rotate(stores, &next(&second, given::at(12))), Rotated::Refused);
    assert!(is_open(stores, &other), "somebody else's session has ended");
}

/// The last spent token has its answer; one before it never gets that of another.
pub fn an_answer_is_kept_for_the_last_spent_token_alone(stores: &Stores) {
    let new = open(stores);
    let first = given::rotation(&new, given::at(10));
    assert_eq!(rotate(stores, &first), Rotated::Fresh);
    let second = next(&first, given::at(11));
    assert_eq!(rotate(stores, &second), Rotated::Fresh);
    assert_eq!(rotate(stores, &again(&second, given::at(20))), Rotated::Again(second.answer.clone()));
    assert_eq!(rotate(stores, &again(&first, given::at(20))), Rotated::Reused);
}

/// The absolute end is not moved by refreshing, an ended session stays so, and an unknown token is nobody's.
pub fn nothing_is_refreshed_beyond_the_end(stores: &Stores) {
    let new = open(stores);
    let first = given::rotation(&new, given::at(3_599));
    assert_eq!(rotate(stores, &first), Rotated::Fresh);
    // Not even within the moment of forgiveness.
    for late in [next(&first, given::at(3_600)), again(&first, given::at(3_600))] {
        assert_eq!(rotate(stores, &late), Rotated::Refused);
    }
    let ended = open(stores);
    stores.sessions.end(ended.session.id, None, given::at(5), &[]).unwrap();
    assert_eq!(rotate(stores, &given::rotation(&ended, given::at(6))), Rotated::Refused);
    let unknown = given::session(new.session.user_id);
    assert_eq!(rotate(stores, &given::rotation(&unknown, given::at(6))), Rotated::Refused);
}

/// A token is good for its own session alone.
pub fn tokens_belong_to_their_session(stores: &Stores) {
    let (mine, theirs) = (open(stores), open(stores));
    let mixed = Rotation { session: mine.session.id, ..given::rotation(&theirs, given::at(10)) };
    assert_eq!(rotate(stores, &mixed), Rotated::Refused);
    assert!(is_open(stores, &mine) && is_open(stores, &theirs));
    assert_eq!(rotate(stores, &given::rotation(&theirs, given::at(10))), Rotated::Fresh);
}

/// Of eight that present one token at once, one rotates and seven get its answer; one successor lives.
pub fn of_refreshes_at_once_one_counts(stores: &Stores) {
    const THREADS: usize = 8;
    let new = open(stores);
    let mut presented = new.clone();
    for round in 1..=5 {
        let now = given::at(round * 60);
        let wishes: Vec<Rotation> = (0..THREADS).map(|_| given::rotation(&presented, now)).collect();
        let start = Barrier::new(THREADS);
        let results: Vec<Rotated> = thread::scope(|scope| {
            let run = |wish| {
                start.wait();
                rotate(stores, wish)
            };
            let threads: Vec<_> = wishes.iter().map(|wish| scope.spawn(move || run(wish))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winner = results.iter().position(|result| *result == Rotated::Fresh).unwrap();
        let winner = wishes.get(winner).unwrap();
        let same = results.iter().filter(|result| **result == Rotated::Again(winner.answer.clone()));
        assert_eq!(same.count(), THREADS - 1, "{results:?}");
        let live =
            wishes.iter().filter(|wish| stores.sessions.by_refresh(&wish.successor).unwrap().is_some());
        assert_eq!(live.count(), 1);
        presented.refresh_hash = winner.successor;
    }
    assert!(is_open(stores, &new));
}

/// A session that is refreshed and ended at the same time is ended, and its newest token is useless.
pub fn a_refresh_and_an_end_at_once_leave_nothing_open(stores: &Stores) {
    for _ in 0..10 {
        let new = open(stores);
        let first = given::rotation(&new, given::at(10));
        let start = Barrier::new(2);
        let result = thread::scope(|scope| {
            let ending = scope.spawn(|| {
                start.wait();
                stores.sessions.end_all(new.session.user_id, given::at(10), &[]).unwrap()
            });
            start.wait();
            let result = rotate(stores, &first);
            assert_eq!(ending.join().unwrap(), 1);
            result
        });
        assert!(matches!(result, Rotated::Fresh | Rotated::Refused), "{result:?}");
        for late in [next(&first, given::at(11)), again(&first, given::at(11))] {
            assert_eq!(rotate(stores, &late), Rotated::Refused);
        }
    }
}

/// Answers go when their moment is over, sessions and all their tokens when they are long over; what is open
/// stays, and its spent tokens are still known.
pub fn what_nobody_can_use_is_forgotten_in_pieces(stores: &Stores) {
    const PIECE: u32 = 3;
    let refreshed = |times: i64| {
        let new = open(stores);
        let mut rotation = given::rotation(&new, given::at(0));
        for second in 0..times {
            assert_eq!(rotate(stores, &rotation), Rotated::Fresh);
            rotation = next(&rotation, given::at(second));
        }
        new
    };
    let (ended, kept, expired) = (refreshed(7), refreshed(2), refreshed(1));
    stores.sessions.end(ended.session.id, None, given::at(10), &[]).unwrap();
    let mut young = given::session(ended.session.user_id);
    young.session.expires_at = given::at(10_000);
    stores.sessions.open(&young).unwrap();
    // Three tokens have their answer: one of each session that was refreshed.
    assert_eq!(stores.sessions.forget(given::at(-1), given::at(-1), PIECE).unwrap(), 0);
    assert_eq!(stores.sessions.forget(given::at(100), given::at(10), PIECE).unwrap(), 3);
    assert_eq!(stores.sessions.forget(given::at(100), given::at(10), PIECE).unwrap(), 0);
    // Eight tokens, and their session with the last of them.
    let mut pieces = Vec::new();
    loop {
        match stores.sessions.forget(given::at(100), given::at(11), PIECE).unwrap() {
            0 => break,
            some => pieces.push(some),
        }
    }
    assert_eq!(pieces.iter().sum::<u64>(), 9);
    assert!(pieces.iter().all(|piece| *piece <= u64::from(2 * PIECE)), "{pieces:?}");
    assert_eq!(stores.sessions.by_id(ended.session.id).unwrap(), None);
    assert_eq!(stores.sessions.by_refresh(&ended.refresh_hash).unwrap(), None);
    // A spent token of an open session still ends it.
    assert_eq!(rotate(stores, &given::rotation(&kept, given::at(20))), Rotated::Reused);

    while stores.sessions.forget(given::at(4_000), given::at(4_000), PIECE).unwrap() > 0 {}
    for gone in [&kept, &expired] {
        assert_eq!(stores.sessions.by_id(gone.session.id).unwrap(), None);
    }
    assert_eq!(stores.sessions.by_id(young.session.id).unwrap(), Some(young.session));
}
