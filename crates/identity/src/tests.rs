//! Tokens of a real issuer on a port of its own: good ones, forged ones, and the issuer's keys over time.

mod forgeries;
mod keys;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollgate_domain::{Clock, Time};
use tollgate_testkit::{FixedClock, PlayableIssuer, SigningKey};

use super::*;

const AUDIENCE: &str = "tollgate-web";
const PARTY: &str = "https://app.example.com";

struct Fixture {
    issuer: PlayableIssuer,
    issuers: Issuers,
    key: SigningKey,
}

impl Fixture {
    fn new() -> Self {
        Self::with(SigningKey::rsa("a", 0), Some(AUDIENCE), &[])
    }

    fn with(key: SigningKey, audience: Option<&str>, parties: &[&str]) -> Self {
        let issuer = PlayableIssuer::start();
        issuer.publish(&[&key]);
        let settings = Issuer {
            name: "test".into(),
            issuer: issuer.url(),
            audience: audience.map(str::to_owned),
            authorized_parties: parties.iter().map(|party| (*party).to_owned()).collect(),
        };
        Self { issuers: Issuers::new(vec![settings]).unwrap(), issuer, key }
    }

    fn claims(&self) -> Value {
        let at = now().timestamp();
        json!({
            "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "user_1", "iat": at - 5, "exp": at + 60,
            "email": "User@example.com", "email_verified": true, "name": "Some One",
        })
    }

    /// The good claims with one of them replaced; `null` takes it away.
    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        let members = claims.as_object_mut().unwrap();
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.to_owned(), value),
        };
        claims
    }

    fn check(&self, token: &str) -> Result<ExternalIdentity, Failure> {
        self.issuers.check(token, now())
    }

    fn check_with(&self, name: &str, value: Value) -> Result<ExternalIdentity, Failure> {
        self.check(&self.key.token(&self.claims_with(name, value)))
    }

    #[track_caller]
    fn assert_refused(&self, token: &str, refusal: Refusal) {
        assert_eq!(self.check(token), Err(Failure::Refused(refusal)));
    }
}

fn now() -> Time {
    FixedClock::default().now()
}

#[test]
fn a_good_token_of_each_algorithm_says_who_it_is() {
    for key in [SigningKey::rsa("a", 0), SigningKey::p256("a"), SigningKey::ed25519("a")] {
        let fixture = Fixture::with(key, Some(AUDIENCE), &[]);
        let identity = fixture.check(&fixture.key.token(&fixture.claims())).unwrap();
        let expected = ExternalIdentity {
            issuer: fixture.issuer.url(),
            subject: "user_1".into(),
            email: Some("User@example.com".into()),
            email_verified: true,
            name: Some("Some One".into()),
            issued_at: now() - TimeDelta::seconds(5),
        };
        assert_eq!(identity, expected, "{}", fixture.key.algorithm());
    }
}

#[test]
fn only_what_the_issuer_says_is_verified_is() {
    let fixture = Fixture::new();
    for (claim, verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(1), false),
        (Value::Null, false),
    ] {
        let identity = fixture.check_with("email_verified", claim.clone()).unwrap();
        assert_eq!(identity.email_verified, verified, "{claim}");
    }
}

#[test]
fn what_is_not_text_or_too_long_is_no_name_and_no_address() {
    let fixture = Fixture::new();
    for claim in [json!(1), json!(["a"]), json!("a".repeat(1_025))] {
        assert_eq!(fixture.check_with("email", claim.clone()).unwrap().email, None);
        assert_eq!(fixture.check_with("name", claim).unwrap().name, None);
    }
}

#[test]
fn the_audience_may_be_one_of_several() {
    let fixture = Fixture::new();
    assert!(fixture.check_with("aud", json!(["other", AUDIENCE])).is_ok());
    assert!(fixture.check_with("azp", json!("anybody")).is_ok());
}

#[test]
fn a_party_stands_for_the_audience_where_none_is_configured() {
    let fixture = Fixture::with(SigningKey::rsa("a", 0), None, &[PARTY, "other"]);
    let mut claims = fixture.claims_with("aud", Value::Null);
    claims["azp"] = json!(PARTY);
    assert!(fixture.check(&fixture.key.token(&claims)).is_ok());
    claims["aud"] = json!(PARTY);
    assert!(fixture.check(&fixture.key.token(&claims)).is_ok());
    // For somebody else, although one of our parties asked for it.
    claims["aud"] = json!("other-api");
    fixture.assert_refused(&fixture.key.token(&claims), Refusal::Audience);
    claims["aud"] = Value::Null;
    claims["azp"] = json!("https://app.example.com.evil.example");
    fixture.assert_refused(&fixture.key.token(&claims), Refusal::Audience);
    claims["azp"] = Value::Null;
    fixture.assert_refused(&fixture.key.token(&claims), Refusal::Audience);
}

#[test]
fn both_rules_hold_where_both_are_configured() {
    let fixture = Fixture::with(SigningKey::rsa("a", 0), Some(AUDIENCE), &[PARTY]);
    assert!(fixture.check_with("azp", json!(PARTY)).is_ok());
    assert_eq!(fixture.check_with("azp", json!("other")), Err(Refusal::Audience.into()));
    assert_eq!(fixture.check_with("azp", Value::Null), Err(Refusal::Audience.into()));
}

#[test]
fn an_issuer_that_ends_with_a_slash_is_found_and_compared_to_the_letter() {
    let fixture = Fixture::new();
    let issuer = fixture.issuer.url() + "/";
    let document = json!({"issuer": issuer, "jwks_uri": issuer.clone() + "keys"});
    fixture.issuer.answer_document(Some((200, String::new(), document.to_string())));
    let settings = Issuer {
        name: "auth0".into(),
        issuer: issuer.clone(),
        audience: Some(AUDIENCE.into()),
        authorized_parties: Vec::new(),
    };
    let issuers = Issuers::new(vec![settings]).unwrap();
    assert!(issuers.check(&fixture.key.token(&fixture.claims_with("iss", json!(issuer))), now()).is_ok());
    let without = fixture.key.token(&fixture.claims());
    assert_eq!(issuers.check(&without, now()), Err(Refusal::Issuer.into()));
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start() {
    let issuer = |name: &str, issuer: &str, audience: Option<&str>| Issuer {
        name: name.into(),
        issuer: issuer.into(),
        audience: audience.map(str::to_owned),
        authorized_parties: Vec::new(),
    };
    let error = |issuers| Issuers::new(issuers).err().unwrap();
    let anybody = error(vec![issuer("a", "https://a", None)]);
    assert_eq!(anybody, IssuersError::ForAnybody("a".into()));
    for address in ["", "a.example.com", "ftp://a", "https://me:secret@a", "https://a?x=1"] {
        assert_eq!(
            error(vec![issuer("a", address, Some("x"))]),
            IssuersError::Address("a".into()),
            "{address}"
        );
    }
    let twice = vec![issuer("a", "https://a", Some("x")), issuer("b", "https://a", Some("y"))];
    assert_eq!(error(twice), IssuersError::Duplicate("b".into()));
}
