//! An issuer's keys over time: rotation, absence, and documents that are none.

use std::{sync::Arc, thread};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollgate_testkit::SigningKey;

use super::{Failure, Fixture, Refusal, now};

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

impl Fixture {
    /// A token by `key` that is good for days, checked so much later.
    fn check_later(&self, key: &SigningKey, later: TimeDelta) -> Result<(), Failure> {
        let mut claims = self.claims();
        claims["exp"] = json!((now() + TimeDelta::days(9)).timestamp());
        self.issuers.check(&key.token(&claims), now() + later).map(|_identity| ())
    }
}

#[test]
fn keys_are_fetched_once_and_remembered() {
    let fixture = Fixture::new();
    for second in [0, 1, 60, 3_599] {
        assert_eq!(fixture.check_later(&fixture.key, seconds(second)), Ok(()));
    }
    assert_eq!((fixture.issuer.documents(), fixture.issuer.key_sets()), (1, 1));
}

#[test]
fn a_new_key_is_fetched_for_its_first_token_but_at_most_once_a_minute() {
    let fixture = Fixture::new();
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Ok(()));
    let (second, third) = (SigningKey::p256("b"), SigningKey::ed25519("c"));
    for at in [1, 30, 59] {
        assert_eq!(fixture.check_later(&second, seconds(at)), Err(Refusal::Key.into()));
    }
    assert_eq!(fixture.issuer.key_sets(), 1);
    fixture.issuer.publish(&[&fixture.key, &second]);
    assert_eq!(fixture.check_later(&second, seconds(60)), Ok(()));
    assert_eq!(fixture.issuer.key_sets(), 2);
    // The old key's tokens go on while it is published, and end with it.
    assert_eq!(fixture.check_later(&fixture.key, seconds(61)), Ok(()));
    fixture.issuer.publish(&[&second, &third]);
    assert_eq!(fixture.check_later(&third, seconds(119)), Err(Refusal::Key.into()));
    assert_eq!(fixture.check_later(&third, seconds(120)), Ok(()));
    assert_eq!(fixture.check_later(&fixture.key, seconds(121)), Err(Refusal::Key.into()));
    assert_eq!(fixture.issuer.key_sets(), 3);
}

#[test]
fn a_thousand_unknown_names_let_keys_be_fetched_once_a_minute() {
    let fixture = Fixture::new();
    let header = |number: i64| json!({"alg": "RS256", "typ": "JWT", "kid": number.to_string()}).to_string();
    for number in 0..1_000 {
        let token = tollgate_testkit::hs256(&header(number), &fixture.claims().to_string(), b"x");
        let at = now() + TimeDelta::milliseconds(number * 59);
        assert_eq!(fixture.issuers.check(&token, at), Err(Refusal::Key.into()));
    }
    assert_eq!(fixture.issuer.key_sets(), 1);
}

#[test]
fn many_at_once_wait_for_one_fetch() {
    let fixture = Arc::new(Fixture::new());
    fixture.issuer.hold(true);
    let ask = || {
        let fixture = Arc::clone(&fixture);
        thread::spawn(move || fixture.check_later(&fixture.key, seconds(0)))
    };
    let asking: Vec<_> = (0..16).map(|_| ask()).collect();
    fixture.issuer.await_documents(1);
    fixture.issuer.hold(false);
    for one in asking {
        assert_eq!(one.join().unwrap(), Ok(()));
    }
    assert_eq!((fixture.issuer.documents(), fixture.issuer.key_sets()), (1, 1));
}

#[test]
fn while_the_issuer_is_away_known_keys_go_on_for_a_day() {
    let fixture = Fixture::new();
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Ok(()));
    fixture.issuer.set_away(true);
    let day = 24 * 3_600;
    // Each of these lets the keys be fetched beside it; none waits for that.
    for (fetches, at) in [(2, 3_600), (3, 3_660), (4, day - 61)] {
        assert_eq!(fixture.check_later(&fixture.key, seconds(at)), Ok(()));
        fixture.issuer.await_documents(fetches);
        wait_for_the_end_of_the_fetch(&fixture);
    }
    assert_eq!(fixture.check_later(&SigningKey::p256("b"), seconds(day - 60)), Err(Refusal::Key.into()));
    assert_eq!(fixture.check_later(&fixture.key, seconds(day)), Err(Failure::Unreachable));
    fixture.issuer.set_away(false);
    assert_eq!(fixture.check_later(&fixture.key, seconds(day + 10)), Ok(()));
}

/// The fetch that runs has ended: who asks for a key that is unknown waits for it.
fn wait_for_the_end_of_the_fetch(fixture: &Fixture) {
    let unknown = SigningKey::p256("unknown");
    assert_eq!(fixture.check_later(&unknown, seconds(0)), Err(Refusal::Key.into()));
}

#[test]
fn old_keys_are_fetched_anew_beside_a_token_that_waits_for_nothing() {
    let fixture = Fixture::new();
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Ok(()));
    let second = SigningKey::p256("b");
    fixture.issuer.publish(&[&second]);
    fixture.issuer.hold(true);
    // Withdrawn, but still known; the issuer answers nothing yet.
    assert_eq!(fixture.check_later(&fixture.key, seconds(3_600)), Ok(()));
    assert_eq!(fixture.check_later(&fixture.key, seconds(3_601)), Ok(()));
    fixture.issuer.hold(false);
    assert_eq!(fixture.check_later(&second, seconds(3_602)), Ok(()));
    assert_eq!(fixture.check_later(&fixture.key, seconds(3_603)), Err(Refusal::Key.into()));
    assert_eq!(fixture.issuer.key_sets(), 2);
}

#[test]
fn an_issuer_that_was_never_reached_is_tried_again_soon() {
    let fixture = Fixture::new();
    fixture.issuer.set_away(true);
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Err(Failure::Unreachable));
    assert_eq!(fixture.check_later(&fixture.key, seconds(9)), Err(Failure::Unreachable));
    assert_eq!(fixture.issuer.documents(), 1);
    fixture.issuer.set_away(false);
    assert_eq!(fixture.check_later(&fixture.key, seconds(10)), Ok(()));
}

#[test]
fn documents_that_are_none_are_not_believed() {
    let fixture = Fixture::new();
    let url = fixture.issuer.url();
    let evil = "https://evil.example.com";
    let keys = format!("{url}/keys");
    let text = |value: Value| Some((200, String::new(), value.to_string()));
    let long = "x".repeat(128 * 1024);
    for (number, document) in (1..).zip([
        text(json!({"issuer": evil, "jwks_uri": keys})),
        text(json!({"issuer": url.clone() + "/", "jwks_uri": keys})),
        text(json!({"jwks_uri": keys})),
        text(json!({"issuer": url})),
        text(json!({"issuer": url, "jwks_uri": "file:///etc/passwd"})),
        text(json!({"issuer": url, "jwks_uri": "/keys"})),
        text(json!({"issuer": url, "jwks_uri": keys, "more": long})),
        text(json!([])),
        Some((200, String::new(), "{".into())),
        Some((404, String::new(), String::new())),
        Some((200, "Content-Encoding: gzip".into(), "{}".into())),
        Some((302, format!("Location: {url}/elsewhere"), String::new())),
    ]) {
        fixture.issuer.answer_document(document.clone());
        let checked = fixture.check_later(&fixture.key, seconds(10 * number));
        assert_eq!(checked, Err(Failure::Unreachable), "{document:.80?}");
    }
    assert_eq!(fixture.issuer.key_sets(), 0);
    fixture.issuer.answer_document(None);
    assert_eq!(fixture.check_later(&fixture.key, seconds(1_000)), Ok(()));
}

#[test]
fn key_sets_that_are_none_replace_nothing() {
    let fixture = Fixture::new();
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Ok(()));
    let unknown = SigningKey::p256("unknown");
    let many: Vec<_> = (0..101).map(|_| fixture.key.jwk()).collect();
    for (number, instead) in (1..).zip([
        (200, "{\"keys\": {}}".to_owned()),
        (200, "[]".to_owned()),
        (200, json!({"keys": many}).to_string()),
        (200, json!({"keys": [], "more": "x".repeat(256 * 1024)}).to_string()),
        (500, json!({"keys": []}).to_string()),
    ]) {
        let (status, body) = instead;
        fixture.issuer.answer_keys(Some((status, String::new(), body)));
        let at = seconds(60 * number);
        assert_eq!(fixture.check_later(&unknown, at), Err(Refusal::Key.into()));
        assert_eq!(fixture.issuer.key_sets(), 1 + usize::try_from(number).unwrap());
        assert_eq!(fixture.check_later(&fixture.key, at), Ok(()));
    }
    // One without keys is one: the issuer has withdrawn them all.
    fixture.issuer.answer_keys(Some((200, String::new(), json!({"keys": []}).to_string())));
    assert_eq!(fixture.check_later(&unknown, seconds(1_000)), Err(Refusal::Key.into()));
    assert_eq!(fixture.check_later(&fixture.key, seconds(1_001)), Err(Refusal::Key.into()));
}

/// The key of `fixture` as it is published, with one member replaced; `null` takes it away.
fn jwk(key: &SigningKey, name: &str, value: Value) -> Value {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    jwk
}

#[test]
fn a_published_key_is_used_for_what_it_is_for() {
    let keys = [SigningKey::rsa("a", 0), SigningKey::p256("a"), SigningKey::ed25519("a")];
    for key in &keys {
        for (name, value, is_used) in [
            ("use", Value::Null, true),
            ("alg", Value::Null, true),
            ("key_ops", json!(["verify"]), true),
            ("use", json!("enc"), false),
            ("key_ops", json!(["encrypt"]), false),
            ("alg", json!("PS256"), false),
            ("alg", json!("RSA-OAEP"), false),
            ("kty", json!("oct"), false),
            ("kid", json!("b"), false),
            ("kid", Value::Null, false),
            ("d", json!("AQAB"), false),
            ("crv", json!("P-384"), false),
            ("n", json!("AQAB"), key.algorithm() != "RS256"),
            ("e", json!(""), key.algorithm() != "RS256"),
            ("x", json!("AQAB"), key.algorithm() == "RS256"),
            ("y", json!("AQAB"), key.algorithm() != "ES256"),
        ] {
            let fixture = Fixture::new();
            fixture.issuer.publish_raw(vec![json!("none"), jwk(key, name, value.clone())]);
            let checked = fixture.check_later(key, seconds(0));
            let expected = if is_used { Ok(()) } else { Err(Refusal::Key.into()) };
            assert_eq!(checked, expected, "{} {name}: {value}", key.algorithm());
        }
    }
}

#[test]
fn a_token_without_a_name_of_a_key_needs_the_only_one_that_fits() {
    let fixture = Fixture::new();
    let token = fixture.key.sign("{\"alg\":\"RS256\"}", &fixture.claims().to_string());
    fixture.issuer.publish(&[&fixture.key, &SigningKey::p256("b")]);
    assert!(fixture.check(&token).is_ok());
    let fixture = Fixture::new();
    let token = fixture.key.sign("{\"alg\":\"RS256\"}", &fixture.claims().to_string());
    fixture.issuer.publish(&[&fixture.key, &SigningKey::rsa("b", 1)]);
    fixture.assert_refused(&token, Refusal::Key);
}

#[test]
fn a_modulus_may_be_published_with_leading_zeros() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let fixture = Fixture::new();
    let published = fixture.key.jwk();
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(published["n"].as_str().unwrap()).unwrap();
    let padded = BASE64_URL_SAFE_NO_PAD.encode([vec![0], modulus].concat());
    fixture.issuer.publish_raw(vec![jwk(&fixture.key, "n", json!(padded))]);
    assert_eq!(fixture.check_later(&fixture.key, seconds(0)), Ok(()));
}
