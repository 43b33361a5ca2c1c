//! Calls with an `Idempotency-Key`: done once, whatever comes in between, and kept so that only the caller reads them.

use std::{cell::Cell, thread};

use tollgate_store::{NewRun, RunBegun, StoreError};

use super::*;
use crate::idempotency::{Answer, Answered, KeyedCall};

/// How many call at once.
const AT_ONCE: usize = 8;

fn call(key: &str) -> KeyedCall {
    KeyedCall {
        key: key.into(),
        method: "POST".into(),
        path: "/api/v1/keys".into(),
        query: String::new(),
        body: b"{}".to_vec(),
    }
}

/// Makes a key and answers with its secret.
fn make(accounts: &Accounts, actor: &Actor) -> Result<Answer, AccountsError> {
    let created = accounts.create_key(actor, &named("once"))?;
    Ok(Answer { status: 201, body: created.secret.expose().as_bytes().to_vec().into() })
}

impl House {
    fn caller(&self) -> Actor {
        let user = self.register("ann@example.com").user;
        self.actor(&user, None)
    }

    fn once(&self, key: &str, actor: &Actor) -> Result<Answered, AccountsError> {
        self.accounts.once(&call(key), actor.clone(), |actor| make(&self.accounts, actor))
    }

    /// The keys that were made here.
    fn made(&self, actor: &Actor) -> usize {
        let filter = KeyFilter {
            user: Some(actor.user.id),
            include_inactive: true,
            now: self.clock.now(),
            kind: None,
        };
        let keys = self.stores.keys.list(&filter, &PageRequest::default()).unwrap();
        keys.items.iter().filter(|listed| listed.key.name == "once").count()
    }
}

fn text(answered: &Answered) -> String {
    String::from_utf8(answered.answer.body.to_vec()).unwrap()
}

#[test]
fn twins_make_one_key_and_are_answered_alike() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        let answers: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| house.once("k", &ann))).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(house.made(&ann), 1);
        let last = house.once("k", &ann).unwrap();
        assert!(last.again);
        let mut first = 0;
        for answer in answers {
            match answer {
                Ok(answered) => {
                    assert_eq!((answered.answer.status, text(&answered)), (201, text(&last)));
                    first += usize::from(!answered.again);
                }
                Err(AccountsError::IdempotencyInProgress) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(first, 1);
    });
}

#[test]
fn an_answer_is_the_callers_who_made_the_same_call() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        house.once("k", &ann).unwrap();
        let bob = house.register("bob@example.com");
        let bob_by_key = house.actor(&bob.user.clone(), Some(bob));
        let bob = house.actor(&bob_by_key.user, None);
        for (call, actor) in [
            (call("l"), &ann),
            (call("k"), &bob),
            (call("k"), &bob_by_key),
            (KeyedCall { method: "PUT".into(), ..call("k") }, &ann),
            (KeyedCall { path: "/api/v1/keys/a/rotate".into(), ..call("k") }, &ann),
            // What moves from one part to the next is another call.
            (KeyedCall { method: "POST/api/v1/key".into(), path: "s".into(), ..call("k") }, &ann),
        ] {
            let answered = house.accounts.once(&call, actor.clone(), |actor| make(&house.accounts, actor));
            assert!(!answered.unwrap().again, "{} {} {}", call.method, call.path, call.key);
        }
        for other in [
            KeyedCall { body: b"{ }".to_vec(), ..call("k") },
            KeyedCall { query: "a=b".into(), ..call("k") },
            KeyedCall { query: "{}".into(), body: Vec::new(), ..call("k") },
        ] {
            let refused = house.accounts.once(&other, ann.clone(), |_| unreachable!());
            assert!(matches!(refused, Err(AccountsError::IdempotencyKeyReused)));
        }
    });
}

#[test]
fn a_failure_is_not_kept_and_what_was_done_is_not_done_again() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        let failing = |error: AccountsError| house.accounts.once(&call("k"), ann.clone(), |_| Err(error));
        assert!(matches!(
            failing(AccountsError::TooManyKeys { max: 1 }),
            Err(AccountsError::TooManyKeys { .. })
        ));
        let away = || AccountsError::Store(StoreError::unavailable("as tested"));
        assert!(matches!(failing(away()), Err(AccountsError::Store(_))));
        assert_eq!(house.made(&ann), 0);
        // Made, and then nobody could tell.
        let untold = house.accounts.once(&call("k"), ann.clone(), |actor| {
            make(&house.accounts, actor)?;
            Err(away())
        });
        assert!(matches!(untold, Err(AccountsError::Store(_))));
        assert!(matches!(house.once("k", &ann), Err(AccountsError::IdempotencyInProgress)));
        house.clock.advance(TimeDelta::seconds(30));
        assert!(matches!(house.once("k", &ann), Err(AccountsError::AnswerLost)));
        assert_eq!(house.made(&ann), 1);
        house.clock.advance(TimeDelta::hours(24));
        assert!(!house.once("k", &ann).unwrap().again);
    });
}

#[test]
fn a_run_that_died_is_taken_over_and_comes_too_late() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        let late = Cell::new(None);
        // The first run is slow: while it works, its time is over and another run has the call.
        let slow = house.accounts.once(&call("k"), ann.clone(), |actor| {
            house.clock.advance(TimeDelta::seconds(30));
            late.set(Some(house.once("k", &ann).unwrap()));
            make(&house.accounts, actor)
        });
        assert!(matches!(slow, Err(AccountsError::Store(StoreError::Conflict { .. }))));
        assert_eq!(house.made(&ann), 1);
        let again = house.once("k", &ann).unwrap();
        assert_eq!((again.again, text(&again)), (true, text(&late.take().unwrap())));
    });
}

#[test]
fn newer_secrets_open_older_answers() {
    let settings = fixture::settings();
    on_each_with(&settings, |house| {
        let ann = house.caller();
        let first = house.once("k", &ann).unwrap();
        let rotated = AccountsSettings {
            pepper: tollgate_domain::Pepper::new(&["newer", "pepper"]).unwrap(),
            encryption_secrets: vec!["newer".into(), "sealing".into()],
            ..settings.clone()
        };
        let again = house.again(rotated).once(&call("k"), ann.clone(), |_| unreachable!()).unwrap();
        assert_eq!((again.again, text(&again)), (true, text(&first)));
        let other = KeyedCall { body: b"x".to_vec(), ..call("k") };
        let reused = house.accounts.once(&other, ann.clone(), |_| unreachable!());
        assert!(matches!(reused, Err(AccountsError::IdempotencyKeyReused)));
        // Who has lost what seals has lost the answer, and nothing is done again.
        let lost = AccountsSettings { encryption_secrets: vec!["other".into()], ..settings.clone() };
        let lost = house.again(lost).once(&call("k"), ann.clone(), |_| unreachable!());
        assert!(matches!(lost, Err(AccountsError::AnswerLost)));
    });
}

#[test]
fn an_answer_opens_at_its_own_place_and_nothing_is_kept_in_plain() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        let first = house.once("my-own-idempotency-key", &ann).unwrap();
        house.once("l", &ann).unwrap();
        let (call, by, now) = (call("my-own-idempotency-key"), ann.by(), house.clock.now());
        let run: NewRun = house.accounts.new_run(&call, &by, ann.user.id, now);
        let RunBegun::Answered { answer, .. } = house.stores.idempotency.begin(&run).unwrap() else {
            panic!("it was answered")
        };
        let kept = [run.hashes[0].as_slice(), &run.fingerprints[0], &answer].concat();
        for plain in [text(&first), "my-own-idempotency-key".to_owned(), "/api/v1/keys".to_owned()] {
            assert!(!kept.windows(plain.len()).any(|part| part == plain.as_bytes()), "{plain}");
        }
        house.tamper(
            "UPDATE idempotent_calls SET answer = \
             (SELECT other.answer FROM idempotent_calls AS other WHERE other.hash <> idempotent_calls.hash) \
             WHERE hash = (SELECT hash FROM idempotent_calls ORDER BY hash LIMIT 1)",
        );
        let asked = ["my-own-idempotency-key", "l"].map(|key| house.once(key, &ann));
        let lost = asked.iter().filter(|one| matches!(one, Err(AccountsError::AnswerLost))).count();
        assert_eq!((lost, asked.iter().filter(|one| one.is_ok()).count()), (1, 1));
    });
}

#[test]
fn answers_are_forgotten_after_a_day() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.caller();
        house.once("k", &ann).unwrap();
        house.clock.advance(TimeDelta::hours(24));
        assert_eq!(house.accounts.forget_idempotent_calls(house.clock.now()).unwrap(), 1);
        assert_eq!(house.accounts.forget_idempotent_calls(house.clock.now()).unwrap(), 0);
        house.once("k", &ann).unwrap();
        assert_eq!(house.made(&ann), 2);
    });
}
