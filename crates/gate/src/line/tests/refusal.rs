//! What is refused, what it counts, and what it leaves.

use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;
use tollgate_domain::{Permission, key::KeyRefusal, key::MalformedKey};

use crate::{
    BodyError, Call, Credential, Endpoint, Refusal, Reply,
    fixture::{House, Play, Setup, chat, usage, whole},
};

/// A call whose body must not be read.
fn unread(house: &House, credential: &str) -> Call {
    let mut call = house.call(Endpoint::ChatCompletions, Ok(""));
    call.credential = Credential::ApiKey(credential.to_owned());
    call.body = async { panic!("nobody reads a stranger's body") }.boxed_local();
    call
}

fn refusal(house: &mut House, call: Call) -> Refusal {
    let (task, mut answer) = house.spawn(call);
    task.forget();
    match house.answer(&mut answer) {
        Reply::Refused { refusal, .. } => *refusal,
        _ => panic!("an answer"),
    }
}

#[test]
fn strangers_leave_nothing_and_their_bodies_are_not_read() {
    let mut house = House::plain();
    let typo = format!("{}x", &house.secret[..house.secret.len() - 1]);
    let typo = if typo == house.secret { typo.replace('x', "y") } else { typo };
    let long = "k".repeat(257);
    for (credential, expected) in [
        ("some-old-key", Refusal::UnknownKey),
        ("", Refusal::MalformedKey(MalformedKey::NotAKey)),
        ("a b", Refusal::MalformedKey(MalformedKey::NotAKey)),
        ("k\r\nX-Admin: 1", Refusal::MalformedKey(MalformedKey::NotAKey)),
        ("ключ", Refusal::MalformedKey(MalformedKey::NotAKey)),
        (long.as_str(), Refusal::MalformedKey(MalformedKey::NotAKey)),
        (typo.as_str(), Refusal::MalformedKey(MalformedKey::WrongChecksum)),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", Refusal::AccessToken),
    ] {
        let call = unread(&house, credential);
        let refusal = refusal(&mut house, call);
        assert_eq!((refusal.status(), &refusal), (401, &expected), "{credential:?}");
    }
    assert_eq!(house.settled(), []);
}

#[test]
fn keys_that_are_no_good_say_why() {
    for (edit, expected) in [
        (
            (|key, _| key.revoked_at = Some(key.created_at)) as fn(&mut tollgate_domain::ApiKey, &mut _),
            Refusal::Key(KeyRefusal::Revoked),
        ),
        (|key, _| key.expires_at = Some(key.created_at), Refusal::Key(KeyRefusal::Expired)),
        (|key, _| key.is_active = false, Refusal::Key(KeyRefusal::Disabled)),
        (|_, user: &mut tollgate_domain::User| user.is_active = false, Refusal::UserDisabled),
    ] {
        let mut house = House::new(Setup { edit, ..Setup::default() });
        let call = unread(&house, &house.secret);
        assert_eq!(refusal(&mut house, call), expected);
        assert_eq!(house.settled(), []);
    }
}

#[test]
fn a_key_that_expires_is_refused_from_then_on() {
    let edit = |key: &mut tollgate_domain::ApiKey, _: &mut _| {
        key.expires_at = Some(key.created_at + TimeDelta::seconds(10));
    };
    let mut house = House::new(Setup { edit, ..Setup::default() });
    assert_eq!(house.counted().1, [0; 3]);
    house.clock.advance(TimeDelta::seconds(10));
    assert_eq!(house.refused(&chat(1, "")).0, Refusal::Key(KeyRefusal::Expired));
}

#[test]
fn a_caller_who_cannot_be_looked_up_is_not_guessed() {
    let mut house = House::plain();
    *house.lookups.full.lock().unwrap() = true;
    assert_eq!(house.refused(&chat(1, "")).0, Refusal::Overloaded);
    *house.lookups.full.lock().unwrap() = false;
    assert_eq!(house.counted(), (0, [0; 3]));
    // Who is known by now is served without asking anybody.
    *house.lookups.full.lock().unwrap() = true;
    assert_eq!(house.counted(), (0, [1; 3]));
}

#[test]
fn a_missing_permission_counts_nothing_and_leaves_an_event() {
    let mut house = House::new(Setup { permissions: "usage:read,code_generation", ..Setup::default() });
    let call = unread(&house, &house.secret);
    assert_eq!(refusal(&mut house, call), Refusal::PermissionDenied(Permission::Chat));
    let Reply::Whole { metered, .. } = house.ask(Endpoint::Models, Ok("")) else { panic!() };
    assert_eq!(metered.readings.map(|reading| reading.used), [1; 3], "only the list itself");
    let events = house.settled();
    let event = events.iter().find(|event| event.status == 403).unwrap();
    assert_eq!((event.error_code.as_deref(), event.counts), (Some("permission_denied"), false));
    assert_eq!((events.len(), event.tokens.total(), event.cost_pico), (2, None, None));
}

#[test]
fn bad_bodies_count_and_charge_nothing() {
    // Not even where no token is left.
    let mut house = House::new(Setup { tokens: 100, used: Some(100), ..Setup::default() });
    let bodies = [
        (Ok("{"), 400, "malformed_request"),
        (Ok("[]"), 400, "malformed_request"),
        (Ok("{}"), 422, "validation_failed"),
        (Ok(r#"{"messages":[{"role":"user","content":"hi"}]}"#), 422, "validation_failed"),
        (Ok(r#"{"model":"x","messages":[{"role":"user"}]}"#), 404, "model_not_found"),
        (Ok(r#"{"model":"m","messages":[{"role":"user"}],"plugins":[]}"#), 400, "unbounded_prompt"),
        (Err(BodyError::TooLarge(5)), 413, "payload_too_large"),
        (Err(BodyError::NotJson), 415, "unsupported_media_type"),
        (Err(BodyError::TooSlow), 408, "request_timeout"),
        (Err(BodyError::Broken), 400, "malformed_request"),
    ];
    for (number, (body, status, code)) in (1..).zip(bodies) {
        let Reply::Refused { refusal, metered } = house.ask(Endpoint::ChatCompletions, body) else {
            panic!()
        };
        assert_eq!((refusal.status(), refusal.code()), (status, code), "{body:?}");
        let metered = metered.unwrap();
        assert_eq!(metered.readings.map(|reading| reading.used), [number; 3]);
        assert_eq!(metered.quota.unwrap().used, 100);
    }
    assert_eq!(house.upstream.asked.borrow().len(), 0);
    let events = house.settled();
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(|event| event.counts && event.tokens.total().is_none()));
    assert!(events.iter().all(|event| event.cost_pico.is_none() && event.error_code.is_some()));
}

#[test]
fn half_a_body_counts_nothing_and_leaves_nothing() {
    let mut house = House::plain();
    for (error, status) in [(BodyError::HalfSent, 400), (BodyError::NoRoom, 503)] {
        let Reply::Refused { refusal, metered } = house.ask(Endpoint::ChatCompletions, Err(error)) else {
            panic!()
        };
        assert_eq!((refusal.status(), metered), (status, None), "{error:?}");
    }
    assert_eq!(house.counted(), (0, [0; 3]));
    assert_eq!(house.settled().len(), 1, "only the one that counted");
}

#[test]
fn a_key_is_looked_at_again_only_when_its_body_took_time() {
    for late in [false, true] {
        let edit = |key: &mut tollgate_domain::ApiKey, _: &mut _| {
            key.expires_at = Some(key.created_at + TimeDelta::seconds(10));
        };
        let mut house = House::new(Setup { edit, ..Setup::default() });
        let (body, coming) = futures::channel::oneshot::channel();
        let mut call = house.call(Endpoint::ChatCompletions, Ok(""));
        call.body = coming.map(|body| body.unwrap()).boxed_local();
        house.play(whole("hi", Some(usage(1, 1))));
        let (task, mut answer) = house.spawn(call);
        task.forget();
        if late {
            house.stall();
        }
        body.send(Ok(chat(10, "").into())).unwrap();
        house.clock.advance(TimeDelta::seconds(if late { 10 } else { 9 }));
        match house.answer(&mut answer) {
            Reply::Refused { refusal, .. } => {
                assert!(late);
                assert_eq!(*refusal, Refusal::Key(KeyRefusal::Expired));
            }
            _ => assert!(!late),
        }
        assert_eq!(house.settled().len(), usize::from(!late));
    }
}

#[test]
fn a_full_window_refuses_and_counts_nothing() {
    let mut house = House::new(Setup { minute: Some(2), ..Setup::default() });
    for _ in 0..2 {
        house.play(whole("hi", Some(usage(1, 1))));
        house.whole(&chat(1, ""));
    }
    house.clock.advance(TimeDelta::milliseconds(1_500));
    for _ in 0..3 {
        let (refusal, metered) = house.refused(&chat(1, ""));
        assert_eq!(refusal.to_string(), "Rate limit exceeded. Minute: 2/2, Hourly: 2/1000, Daily: 2/10000");
        let Refusal::RateLimited { retry_after, .. } = refusal else { panic!() };
        assert_eq!(retry_after, Duration::from_millis(58_500));
        assert_eq!(metered.unwrap().readings.map(|reading| reading.used), [2; 3]);
    }
    // Nor do bad bodies go past it.
    assert_eq!(house.refused("{").0.code(), "rate_limit_exceeded");
    house.clock.advance(TimeDelta::milliseconds(58_500));
    assert_eq!(house.counted(), (4, [0, 2, 2]));
    let events = house.settled();
    assert_eq!(events.iter().filter(|event| event.status == 429 && !event.counts).count(), 4);
    assert_eq!(house.meter.open(), (0, 0));
}

#[test]
fn too_many_at_once_refuse_and_count_nothing() {
    let mut house = House::new(Setup { max_concurrent: Some(1), ..Setup::default() });
    house.play(Play::Silent);
    let running = house.start(&chat(1, ""));
    house.until("the provider's turn", |house| (house.upstream.running.get() == 1).then_some(()));
    let (refusal, metered) = house.refused(&chat(1, ""));
    assert_eq!((refusal.status(), refusal.code()), (429, "concurrency_limit"));
    assert_eq!(metered.unwrap().readings.map(|reading| reading.used), [1; 3]);
    drop(running);
    house.until("the end", |house| (house.meter.open() == (0, 0)).then_some(()));
    assert_eq!(house.counted().1, [1; 3]);
    assert_eq!(house.settled().len(), 3);
}

#[test]
fn without_a_place_nothing_is_spent() {
    let mut house = House::new(Setup { max_open: 2, ..Setup::default() });
    house.play(Play::Silent);
    let running = house.start(&chat(1, ""));
    house.until("the provider's turn", |house| (house.upstream.running.get() == 1).then_some(()));
    let (refusal, _) = house.refused(&chat(1, ""));
    assert_eq!((refusal.status(), refusal.code()), (503, "overloaded"));
    assert_eq!(house.upstream.asked.borrow().len(), 1);
    drop(running);
    house.until("the end", |house| (house.recorder.open() == 0).then_some(()));
    assert_eq!(house.counted().1, [1; 3]);
    assert_eq!(house.settled().len(), 2);
}

#[test]
fn without_a_recorder_nothing_is_spent() {
    let mut house = House::plain();
    house.recorder.close();
    assert_eq!(house.refused(&chat(1, "")).0, Refusal::Overloaded);
    assert_eq!((house.upstream.asked.borrow().len(), house.meter.open()), (0, (0, 0)));
}

#[test]
fn without_a_provider_the_answer_is_503_and_does_not_count() {
    let catalogue = |mut catalogue: crate::Catalogue| {
        catalogue.models[0].candidates.clear();
        catalogue
    };
    let mut house = House::new(Setup { catalogue, ..Setup::default() });
    for _ in 0..3 {
        let (refusal, _) = house.refused(&chat(1, ""));
        assert_eq!((refusal.status(), refusal.code()), (503, "provider_unavailable"));
    }
    let Reply::Whole { metered, .. } = house.ask(Endpoint::Models, Ok("")) else { panic!() };
    assert_eq!(metered.readings.map(|reading| reading.used), [1; 3]);
    let events = house.settled();
    assert_eq!(events.iter().filter(|event| event.status == 503 && !event.counts).count(), 3);
}

#[test]
fn an_address_that_presents_many_unknown_keys_has_none_looked_up_for_a_while() {
    let mut house = House::new(Setup { unknown_keys_per_hour: 3, ..Setup::default() });
    let ask = |house: &mut House, number: u32, ip: [u8; 4]| {
        let call = Call { ip: Some(ip.into()), ..unread(house, &format!("some-old-key-{number}")) };
        refusal(house, call)
    };
    // The key that somebody has is remembered from here on.
    let known = |house: &mut House| {
        let (task, mut answer) = house.spawn(house.call(Endpoint::Models, Ok("")));
        task.forget();
        assert!(!matches!(house.answer(&mut answer), Reply::Refused { .. }));
    };
    known(&mut house);
    for number in 0..3 {
        assert_eq!(ask(&mut house, number, [192, 0, 2, 1]), Refusal::UnknownKey);
    }
    let refused = ask(&mut house, 3, [192, 0, 2, 1]);
    assert_eq!((refused.status(), refused.code()), (429, "rate_limit_exceeded"));
    assert_eq!(refused, Refusal::TooManyUnknownKeys { retry_after: Duration::from_secs(3_600) });
    // Elsewhere nothing has happened, what cannot be a key is said to be none, and the remembered one works.
    assert_eq!(ask(&mut house, 3, [192, 0, 2, 2]), Refusal::UnknownKey);
    let call = unread(&house, "");
    assert_eq!(refusal(&mut house, call), Refusal::MalformedKey(MalformedKey::NotAKey));
    known(&mut house);
    house.clock.advance(TimeDelta::hours(1));
    assert_eq!(ask(&mut house, 4, [192, 0, 2, 1]), Refusal::UnknownKey);
}

/// The same of somebody who sends no key.
fn without_a_key(house: &House) -> Call {
    Call { credential: Credential::Anonymous, ..house.call(Endpoint::Models, Ok("")) }
}

#[test]
fn who_sends_no_key_is_the_anonymous_user_where_one_is_let_in() {
    let mut house = House::new(Setup { anonymous: true, unknown_keys_per_hour: 1, ..Setup::default() });
    for used in [1, 2] {
        let call = without_a_key(&house);
        let (task, mut answer) = house.spawn(call);
        task.forget();
        let Reply::Whole { metered, .. } = house.answer(&mut answer) else { panic!("an answer") };
        assert_eq!(metered.readings.map(|reading| reading.used), [used; 3], "everybody shares the windows");
    }
    let events = house.settled();
    assert_eq!((events.len(), events[0].user_id), (2, house.rows.user.id));
    // A wrong key is one all the same, and counts as unknown; sending none does not.
    let wrong = unread(&house, "some-old-key");
    assert_eq!(refusal(&mut house, wrong), Refusal::UnknownKey);
    let empty = unread(&house, "");
    assert_eq!(refusal(&mut house, empty), Refusal::MalformedKey(MalformedKey::NotAKey));

    let mut house = House::plain();
    let call = without_a_key(&house);
    assert_eq!(refusal(&mut house, call), Refusal::UserDisabled, "nobody is let in here");
}

#[test]
fn the_anonymous_user_can_be_shut_out() {
    for edit in [
        (|key, _| key.revoked_at = Some(key.created_at)) as fn(&mut tollgate_domain::ApiKey, &mut _),
        |key, _| key.expires_at = Some(key.created_at),
        |key, _| key.is_active = false,
        |_, user: &mut tollgate_domain::User| user.is_active = false,
    ] {
        let mut house = House::new(Setup { anonymous: true, edit, ..Setup::default() });
        let call = without_a_key(&house);
        assert_eq!(refusal(&mut house, call), Refusal::UserDisabled);
        assert_eq!(house.settled(), []);
    }
    let mut house = House::new(Setup { anonymous: true, permissions: "usage:read", ..Setup::default() });
    let call = without_a_key(&house);
    assert_eq!(refusal(&mut house, call), Refusal::PermissionDenied(Permission::Chat));
}
