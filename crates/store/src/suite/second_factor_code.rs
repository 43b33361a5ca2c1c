//! Promises of [`SecondFactorStore`](crate::SecondFactorStore) about codes: each is good once, and guesses are few.

use std::{sync::Barrier, thread};

use super::{
    given::at,
    second_factor::{backup, challenge, change, code, confirm, of_user, sign_in, with_factor, wrong},
};
use crate::{CodeAttempt, FactorChange, Stores, Verdict};

/// Callers of a case of what several do at once.
const THREADS: usize = 20;

/// Runs `work` at once on many threads; gives how many were `Done`.
fn at_once(work: impl Fn(usize) -> Verdict + Sync) -> usize {
    let start = Barrier::new(THREADS);
    let run = |place| {
        start.wait();
        work(place)
    };
    let run = &run;
    let verdicts: Vec<Verdict> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|place| scope.spawn(move || run(place))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count()
}

/// A step's code is good once, whatever for, and none before it is good after.
pub fn a_step_and_all_before_it_are_used_up_by_its_code(stores: &Stores) {
    let (user, _) = with_factor(stores);
    // That of the code that switched it on.
    assert_eq!(confirm(stores, code(user, 100, 0)), Verdict::WrongCode);
    assert_eq!(confirm(stores, code(user, 101, 0)), Verdict::Done);
    assert_eq!(confirm(stores, code(user, 101, 0)), Verdict::WrongCode);
    assert_eq!(sign_in(stores, &challenge(stores, user, 0), &code(user, 101, 0)), Verdict::WrongCode);
    assert_eq!(sign_in(stores, &challenge(stores, user, 0), &code(user, 103, 0)), Verdict::Done);
    assert_eq!(confirm(stores, code(user, 102, 0)), Verdict::WrongCode);
    assert_eq!(confirm(stores, code(user, 103, 0)), Verdict::WrongCode);
    // Against another secret than the one that is on, no code says anything.
    let other = CodeAttempt { secret: b"other".to_vec(), ..code(user, 104, 0) };
    assert_eq!(confirm(stores, other), Verdict::Stale);
    assert_eq!(confirm(stores, code(user, 104, 0)), Verdict::Done);
}

/// A backup code is its owner's, good once, and none any more when there are new ones.
pub fn a_backup_code_is_used_once(stores: &Stores) {
    let (user, new) = with_factor(stores);
    let (other, _) = with_factor(stores);
    let [first, second, _] = *new.backup_codes else { unreachable!("there are three") };
    assert_eq!(sign_in(stores, &challenge(stores, other, 0), &backup(other, first, 0)), Verdict::WrongCode);
    assert_eq!(sign_in(stores, &challenge(stores, user, 0), &backup(user, first, 0)), Verdict::Done);
    assert_eq!(of_user(stores, user).backup_codes, 2);
    assert_eq!(sign_in(stores, &challenge(stores, user, 0), &backup(user, first, 0)), Verdict::WrongCode);
    assert_eq!(confirm(stores, backup(user, first, 0)), Verdict::WrongCode);
    // New ones take the place of all before.
    assert_eq!(confirm(stores, backup(user, second, 0)), Verdict::Done);
    assert_eq!(of_user(stores, user).backup_codes, 3);
    assert_eq!(confirm(stores, backup(user, second, 0)), Verdict::WrongCode);
    assert_eq!(of_user(stores, other).backup_codes, 3);
}

/// Five wrong in a row make a pause, whatever they were for; a sign-in alone begins anew.
pub fn wrong_codes_are_counted_over_all_tokens_until_a_sign_in(stores: &Stores) {
    let (user, new) = with_factor(stores);
    let (other, _) = with_factor(stores);
    let [first, ..] = *new.backup_codes else { unreachable!("there are three") };
    for round in 0..2 {
        for second in 0..2 {
            assert_eq!(
                sign_in(stores, &challenge(stores, user, second), &wrong(user, second)),
                Verdict::WrongCode
            );
        }
        assert_eq!(confirm(stores, wrong(user, 2)), Verdict::WrongCode);
        // A right code that opens no session leaves the count as it is.
        assert_eq!(confirm(stores, code(user, 110 + 10 * round, 3)), Verdict::Done);
        assert_eq!(confirm(stores, wrong(user, 3)), Verdict::WrongCode);
        if round == 0 {
            assert_eq!(sign_in(stores, &challenge(stores, user, 4), &code(user, 115, 4)), Verdict::Done);
        }
    }
    let last = challenge(stores, user, 10);
    assert_eq!(sign_in(stores, &last, &wrong(user, 10)), Verdict::WrongCode);
    // Five in a row: not even a right one is looked at, or used up, until the pause is over.
    let paused = Verdict::TooManyCodes { until: at(10 + 1_800) };
    for attempt in [wrong(user, 11), code(user, 130, 11), backup(user, first, 1_809)] {
        assert_eq!(confirm(stores, attempt.clone()), paused);
        assert_eq!(
            sign_in(stores, &challenge(stores, user, 11), &CodeAttempt { now: at(11), ..attempt }),
            paused
        );
    }
    assert_eq!(sign_in(stores, &challenge(stores, other, 11), &code(other, 130, 11)), Verdict::Done);
    // Then each further wrong one begins another.
    assert_eq!(confirm(stores, wrong(user, 1_810)), Verdict::WrongCode);
    assert_eq!(confirm(stores, code(user, 130, 1_811)), Verdict::TooManyCodes { until: at(1_810 + 1_800) });
    let late = challenge(stores, user, 3_610);
    assert_eq!(sign_in(stores, &late, &code(user, 130, 3_610)), Verdict::Done);
    for second in 3_611..3_616 {
        assert_eq!(confirm(stores, wrong(user, second)), Verdict::WrongCode);
    }
    // An administrator may end it.
    stores.attempts.clear(&[], Some(other), &[]).unwrap();
    assert!(matches!(confirm(stores, code(user, 131, 3_616)), Verdict::TooManyCodes { .. }));
    stores.attempts.clear(&[], Some(user), &[]).unwrap();
    assert_eq!(confirm(stores, code(user, 131, 3_616)), Verdict::Done);
}

/// Of twenty with one code, one backup code or one token, one is let in; of twenty wrong ones five are counted.
pub fn of_codes_and_tokens_at_once_each_counts_once(stores: &Stores) {
    let (user, new) = with_factor(stores);
    let [first, ..] = *new.backup_codes else { unreachable!("there are three") };
    let tokens: Vec<_> = (0..THREADS).map(|_| challenge(stores, user, 0)).collect();
    let many = |attempt: CodeAttempt| CodeAttempt { max_wrong: 1_000, ..attempt };
    // One code, with as many tokens, and for other things meanwhile.
    let done = at_once(|place| match tokens.get(place) {
        Some(token) if place % 4 > 0 => sign_in(stores, token, &many(code(user, 101, 0))),
        _ => confirm(stores, many(code(user, 101, 0))),
    });
    assert_eq!(done, 1);
    // One backup code.
    let codes = vec![first];
    let renewed = change(many(code(user, 102, 0)), FactorChange::BackupCodes(codes));
    assert_eq!(stores.second_factors.confirm(&renewed).unwrap(), Verdict::Done);
    let tokens: Vec<_> = (0..THREADS).map(|_| challenge(stores, user, 0)).collect();
    let done = at_once(|place| {
        tokens
            .get(place)
            .map_or(Verdict::Stale, |token| sign_in(stores, token, &many(backup(user, first, 0))))
    });
    assert_eq!((done, of_user(stores, user).backup_codes), (1, 0));
    // One token, with as many codes.
    let token = challenge(stores, user, 0);
    let step = |place: usize| 200 + i64::try_from(place).unwrap();
    assert_eq!(at_once(|place| sign_in(stores, &token, &many(code(user, step(place), 0)))), 1);
    // As many wrong ones: five are counted, and the others refused.
    let counted = at_once(|_| match confirm(stores, wrong(user, 5)) {
        Verdict::WrongCode => Verdict::Done,
        other => other,
    });
    assert_eq!(counted, 5);
}
