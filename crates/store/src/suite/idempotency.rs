//! Promises of [`IdempotencyStore`](crate::IdempotencyStore).

use std::thread;

use chrono::TimeDelta;
use tollgate_domain::{AuditAction, AuditEntry, AuditSubject, KeyId, RunId, Time, UserId};

use super::given;
use crate::{AuditFilter, DeletionProof, NewRun, RunBegun, StoreError, Stores};

/// How many begin at once.
const AT_ONCE: usize = 8;

/// A run of a call of this user's, that is known for a day.
fn new_run(user: UserId, now: Time) -> NewRun {
    NewRun {
        id: RunId::new(now, &given::Numbers),
        user,
        hashes: vec![given::hash().0],
        fingerprints: vec![[1; 32]],
        now,
        running_until: now + TimeDelta::seconds(30),
        expires_at: now + TimeDelta::days(1),
        max_of_user: 100,
    }
}

/// The same call, run anew after so many seconds.
fn again(run: &NewRun, seconds: i64) -> NewRun {
    let fresh = new_run(run.user, given::at(seconds));
    NewRun { hashes: run.hashes.clone(), fingerprints: run.fingerprints.clone(), ..fresh }
}

/// What tells of a key that a run makes.
fn entry(run: RunId, key: KeyId) -> AuditEntry {
    let told = given::entry(AuditAction::KeyCreated, AuditSubject::Key(key));
    AuditEntry { run: Some(run), ..told }
}

/// Makes a key within a run; gives which.
fn make(stores: &Stores, user: UserId, run: RunId) -> Result<KeyId, StoreError> {
    let key = given::key(user);
    assert!(stores.keys.create(&key, 1_000, &[entry(run, key.key.id)])?);
    Ok(key.key.id)
}

fn entries(stores: &Stores) -> usize {
    stores.audit.list(None, 100, &AuditFilter::default()).unwrap().len()
}

/// Of any number that begin at once, one has the call.
pub fn of_runs_at_once_one_has_the_call(stores: &Stores) {
    let run = new_run(given::stored_user(stores), given::at(0));
    let begun: Vec<RunBegun> = thread::scope(|scope| {
        let begin = || stores.idempotency.begin(&again(&run, 0)).unwrap();
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(begin)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(begun.iter().filter(|one| **one == RunBegun::Mine).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|one| **one == RunBegun::Running).count(), AT_ONCE - 1, "{begun:?}");
}

/// What was answered is told again, and for its time alone.
pub fn what_was_answered_is_told_again_until_it_expires(stores: &Stores) {
    let run = new_run(given::stored_user(stores), given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    assert!(stores.idempotency.keep(run.id, b"sealed").unwrap());
    let answered = RunBegun::Answered { hash: run.hashes[0], answer: b"sealed".to_vec() };
    for seconds in [0, 1, 31, 86_399] {
        assert_eq!(stores.idempotency.begin(&again(&run, seconds)).unwrap(), answered, "{seconds}");
    }
    let late = again(&run, 86_400);
    assert_eq!(stores.idempotency.begin(&late).unwrap(), RunBegun::Mine);
    assert!(!stores.idempotency.keep(run.id, b"other").unwrap(), "the first run has it no more");
    // Nobody else's call is the same.
    let other = new_run(run.user, given::at(1));
    assert_eq!(stores.idempotency.begin(&other).unwrap(), RunBegun::Mine);
}

/// A call that asks for something else is told apart, whatever became of the first.
pub fn another_body_is_told_apart(stores: &Stores) {
    let run = new_run(given::stored_user(stores), given::at(0));
    let other = |seconds| NewRun { fingerprints: vec![[2; 32]], ..again(&run, seconds) };
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    assert_eq!(stores.idempotency.begin(&other(1)).unwrap(), RunBegun::Other);
    assert_eq!(stores.idempotency.begin(&other(31)).unwrap(), RunBegun::Other);
    assert!(stores.idempotency.keep(run.id, b"sealed").unwrap());
    assert_eq!(stores.idempotency.begin(&other(32)).unwrap(), RunBegun::Other);
    assert_eq!(stores.idempotency.begin(&other(86_400)).unwrap(), RunBegun::Mine);
}

/// What a run does is done with its mark, or not at all.
pub fn what_a_run_does_marks_it(stores: &Stores) {
    let user = given::stored_user(stores);
    let run = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    make(stores, user, run.id).unwrap();
    assert_eq!(stores.idempotency.begin(&again(&run, 1)).unwrap(), RunBegun::Running, "its answer may come");
    assert!(stores.idempotency.keep(run.id, b"sealed").unwrap());
    assert!(matches!(stores.idempotency.begin(&again(&run, 31)).unwrap(), RunBegun::Answered { .. }));
    // Several entries of one transaction are one mark.
    let twice = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&twice).unwrap(), RunBegun::Mine);
    let key = given::key(user);
    let told = [entry(twice.id, key.key.id), entry(twice.id, key.key.id)].map(|entry| AuditEntry {
        id: given::entry(AuditAction::KeyCreated, AuditSubject::Nothing).id,
        ..entry
    });
    assert!(stores.keys.create(&key, 1_000, &told).unwrap());
    assert_eq!(stores.idempotency.begin(&again(&twice, 31)).unwrap(), RunBegun::Lost);
}

/// Whoever was too slow, so that another took the call over, commits nothing; who did nothing is taken over once.
pub fn a_run_that_was_taken_over_commits_nothing(stores: &Stores) {
    let user = given::stored_user(stores);
    let slow = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&slow).unwrap(), RunBegun::Mine);
    assert_eq!(stores.idempotency.begin(&again(&slow, 29)).unwrap(), RunBegun::Running);
    let begun: Vec<(NewRun, RunBegun)> = thread::scope(|scope| {
        let begin = || {
            let run = again(&slow, 30);
            let begun = stores.idempotency.begin(&run).unwrap();
            (run, begun)
        };
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(begin)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut mine = begun.iter().filter(|(_, begun)| *begun == RunBegun::Mine);
    let (second, _) = mine.next().unwrap();
    assert_eq!(mine.count(), 0, "{begun:?}");
    let before = entries(stores);
    let refused = make(stores, user, slow.id);
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(entries(stores), before);
    assert!(!stores.idempotency.keep(slow.id, b"sealed").unwrap());
    stores.idempotency.release(slow.id, true).unwrap();
    make(stores, user, second.id).unwrap();
    assert!(stores.idempotency.keep(second.id, b"sealed").unwrap());
    assert!(matches!(stores.idempotency.begin(&again(&slow, 61)).unwrap(), RunBegun::Answered { .. }));
}

/// What was done and not answered is never done again.
pub fn a_run_that_did_something_is_not_run_again(stores: &Stores) {
    let user = given::stored_user(stores);
    let run = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    make(stores, user, run.id).unwrap();
    stores.idempotency.release(run.id, false).unwrap();
    for seconds in [30, 60, 86_399] {
        assert_eq!(stores.idempotency.begin(&again(&run, seconds)).unwrap(), RunBegun::Lost, "{seconds}");
    }
    assert_eq!(stores.idempotency.begin(&again(&run, 86_400)).unwrap(), RunBegun::Mine);
}

/// A run that came to nothing leaves nothing: the call can be run anew, whatever it asks for then.
pub fn a_run_that_came_to_nothing_is_forgotten(stores: &Stores) {
    let user = given::stored_user(stores);
    let run = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    stores.idempotency.release(run.id, false).unwrap();
    let other = NewRun { fingerprints: vec![[2; 32]], ..again(&run, 1) };
    assert_eq!(stores.idempotency.begin(&other).unwrap(), RunBegun::Mine);
    // What a run tells of a refusal marks it too; whoever knows that nothing came of it says so.
    stores.audit.note(&[entry(other.id, given::key(user).key.id)]).unwrap();
    stores.idempotency.release(other.id, true).unwrap();
    assert_eq!(stores.idempotency.begin(&again(&run, 2)).unwrap(), RunBegun::Mine);
}

/// What is about to be committed when its run is given up is refused.
pub fn a_released_run_commits_nothing(stores: &Stores) {
    let user = given::stored_user(stores);
    let run = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    stores.idempotency.release(run.id, false).unwrap();
    assert!(matches!(make(stores, user, run.id), Err(StoreError::Conflict { .. })));
}

/// A user has so many calls; another user's are that one's own.
pub fn a_user_has_so_many_calls(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let run = |user, seconds| NewRun { max_of_user: 2, ..new_run(user, given::at(seconds)) };
    let first = run(user, 0);
    assert_eq!(stores.idempotency.begin(&first).unwrap(), RunBegun::Mine);
    assert_eq!(stores.idempotency.begin(&run(user, 5)).unwrap(), RunBegun::Mine);
    let until = first.expires_at;
    assert_eq!(stores.idempotency.begin(&run(user, 6)).unwrap(), RunBegun::TooMany { until });
    assert_eq!(stores.idempotency.begin(&run(other, 6)).unwrap(), RunBegun::Mine);
    // What is known is told all the same, and what expired counts no more.
    let known = NewRun { max_of_user: 2, ..again(&first, 7) };
    assert_eq!(stores.idempotency.begin(&known).unwrap(), RunBegun::Running);
    assert_eq!(stores.idempotency.begin(&run(user, 86_400)).unwrap(), RunBegun::Mine);
}

/// A deleted user's calls are gone, and what they still do is refused.
pub fn calls_go_with_their_user(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let run = new_run(user, given::at(0));
    assert_eq!(stores.idempotency.begin(&run).unwrap(), RunBegun::Mine);
    assert!(stores.users.delete(&given::deletion(user, DeletionProof::Trusted)).unwrap());
    assert!(!stores.idempotency.keep(run.id, b"sealed").unwrap());
    assert!(matches!(make(stores, other, run.id), Err(StoreError::Conflict { .. })));
    assert!(matches!(stores.idempotency.begin(&again(&run, 1)), Err(StoreError::Orphaned(_))));
}

/// What expired is forgotten, so many at a time.
pub fn expired_calls_are_forgotten_in_pieces(stores: &Stores) {
    let user = given::stored_user(stores);
    for seconds in 0..3 {
        assert_eq!(stores.idempotency.begin(&new_run(user, given::at(seconds))).unwrap(), RunBegun::Mine);
    }
    let kept = new_run(user, given::at(9));
    assert_eq!(stores.idempotency.begin(&kept).unwrap(), RunBegun::Mine);
    assert_eq!(stores.idempotency.forget(given::at(86_399), 2).unwrap(), 0);
    assert_eq!(stores.idempotency.forget(given::at(86_402), 2).unwrap(), 2);
    assert_eq!(stores.idempotency.forget(given::at(86_402), 2).unwrap(), 1);
    assert_eq!(stores.idempotency.forget(given::at(86_402), 2).unwrap(), 0);
    assert!(stores.idempotency.keep(kept.id, b"sealed").unwrap());
}

/// A call that was hashed under an older pepper is the same.
pub fn a_call_is_known_by_its_older_hashes(stores: &Stores) {
    let old = new_run(given::stored_user(stores), given::at(0));
    assert_eq!(stores.idempotency.begin(&old).unwrap(), RunBegun::Mine);
    assert!(stores.idempotency.keep(old.id, b"sealed").unwrap());
    let new = NewRun {
        hashes: vec![given::hash().0, old.hashes[0]],
        fingerprints: vec![[9; 32], old.fingerprints[0]],
        ..again(&old, 1)
    };
    let answered = RunBegun::Answered { hash: old.hashes[0], answer: b"sealed".to_vec() };
    assert_eq!(stores.idempotency.begin(&new).unwrap(), answered);
}
