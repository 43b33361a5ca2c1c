//! Forgeries by name, each refused for its own reason.

use serde_json::{Value, json};
use tollgate_testkit::{SigningKey, hs256, unsigned};

use super::{Failure, Fixture, Refusal, now};

#[test]
fn no_signature_at_all() {
    let fixture = Fixture::new();
    let claims = fixture.claims().to_string();
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let token = unsigned(&json!({"alg": algorithm, "typ": "JWT", "kid": "a"}).to_string(), &claims);
        fixture.assert_refused(&token, Refusal::Algorithm);
        fixture.assert_refused(token.trim_end_matches('.'), Refusal::Malformed);
    }
    fixture.assert_refused(&unsigned(&json!({"typ": "JWT"}).to_string(), &claims), Refusal::Algorithm);
    fixture.assert_refused(&unsigned(&fixture.key.header().to_string(), &claims), Refusal::Signature);
}

#[test]
fn the_public_key_taken_for_a_shared_secret() {
    for key in [SigningKey::rsa("a", 0), SigningKey::p256("a"), SigningKey::ed25519("a")] {
        let fixture = Fixture::with(key, Some(super::AUDIENCE), &[]);
        let claims = fixture.claims().to_string();
        for secret in fixture.key.public_forms() {
            for name in ["HS256", "HS384", "HS512"] {
                let header = json!({"alg": name, "typ": "JWT", "kid": "a"}).to_string();
                fixture.assert_refused(&hs256(&header, &claims, &secret), Refusal::Algorithm);
            }
            let header = fixture.key.header().to_string();
            fixture.assert_refused(&hs256(&header, &claims, &secret), Refusal::Signature);
        }
    }
}

#[test]
fn a_published_secret_is_no_key() {
    let fixture = Fixture::new();
    fixture.issuer.publish_raw(vec![json!({"kty": "oct", "kid": "a", "alg": "HS256", "k": "c2VjcmV0"})]);
    let claims = fixture.claims().to_string();
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": "a"}).to_string();
    fixture.assert_refused(&hs256(&header, &claims, b"secret"), Refusal::Algorithm);
    fixture.assert_refused(&fixture.key.token(&fixture.claims()), Refusal::Key);
}

#[test]
fn an_algorithm_that_does_not_fit_the_published_key() {
    let (rsa, p256, ed25519) = (SigningKey::rsa("a", 0), SigningKey::p256("a"), SigningKey::ed25519("a"));
    for published in [&rsa, &p256, &ed25519] {
        let fixture = Fixture::new();
        fixture.issuer.publish(&[published]);
        for signing in [&rsa, &p256, &ed25519] {
            let checked = fixture.check(&signing.token(&fixture.claims()));
            if signing.algorithm() == published.algorithm() {
                assert!(checked.is_ok(), "{}", signing.algorithm());
            } else {
                assert_eq!(checked, Err(Refusal::Key.into()));
            }
        }
    }
    let fixture = Fixture::new();
    for algorithm in ["RS384", "RS512", "PS256", "ES384", "ES512", "RSA-OAEP", "rs256", "A256GCM"] {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "a"}).to_string();
        let token = fixture.key.sign(&header, &fixture.claims().to_string());
        fixture.assert_refused(&token, Refusal::Algorithm);
    }
}

#[test]
fn another_key_under_the_same_name() {
    let fixture = Fixture::new();
    fixture.assert_refused(&SigningKey::rsa("a", 1).token(&fixture.claims()), Refusal::Signature);
    for make in [SigningKey::p256 as fn(&str) -> SigningKey, SigningKey::ed25519] {
        let fixture = Fixture::with(make("a"), Some(super::AUDIENCE), &[]);
        fixture.assert_refused(&make("a").token(&fixture.claims()), Refusal::Signature);
    }
}

#[test]
fn a_key_that_the_token_brings_along() {
    let fixture = Fixture::new();
    let own = SigningKey::rsa("own", 1);
    for (name, value) in [
        ("jwk", own.jwk()),
        ("jku", json!("https://evil.example.com/keys")),
        ("x5u", json!("https://evil.example.com/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", Value::Null),
    ] {
        for (key, id) in [(&own, "own"), (&own, "a"), (&fixture.key, "a")] {
            let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": id});
            header[name] = value.clone();
            let token = key.sign(&header.to_string(), &fixture.claims().to_string());
            fixture.assert_refused(&token, Refusal::Header);
        }
    }
}

#[test]
fn extensions_that_must_be_understood() {
    let fixture = Fixture::new();
    for (name, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false))] {
        let mut header = fixture.key.header();
        header[name] = value;
        let token = fixture.key.sign(&header.to_string(), &fixture.claims().to_string());
        fixture.assert_refused(&token, Refusal::Header);
    }
}

#[test]
fn names_of_keys_are_only_looked_up() {
    let fixture = Fixture::new();
    for id in ["../../dev/null", "' OR '1'='1", "a\n", "", "A", "a\u{0}"] {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": id}).to_string();
        fixture.assert_refused(&fixture.key.sign(&header, &fixture.claims().to_string()), Refusal::Key);
    }
    for id in [json!("a".repeat(10_000)), json!(1), json!(["a"]), Value::Null] {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": id}).to_string();
        fixture.assert_refused(&fixture.key.sign(&header, &fixture.claims().to_string()), Refusal::Key);
    }
    // All of it together has let the keys be fetched once.
    assert_eq!(fixture.issuer.key_sets(), 1);
}

#[test]
fn tokens_of_other_kinds() {
    let fixture = Fixture::new();
    for kind in
        [json!("at+jwt"), json!("logout+jwt"), json!("secevent+jwt"), json!(""), json!(1), json!(["JWT"])]
    {
        let mut header = fixture.key.header();
        header["typ"] = kind;
        let token = fixture.key.sign(&header.to_string(), &fixture.claims().to_string());
        fixture.assert_refused(&token, Refusal::Type);
    }
    for (name, value) in [
        ("typ", json!("Bearer")),
        ("typ", json!("Refresh")),
        ("typ", json!("access")),
        ("typ", json!(1)),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
    ] {
        assert_eq!(fixture.check_with(name, value.clone()), Err(Refusal::Type.into()), "{name}: {value}");
    }
    assert!(fixture.check_with("typ", json!("ID")).is_ok());
    let mut header = fixture.key.header();
    header["typ"] = json!("jwt");
    assert!(fixture.check(&fixture.key.sign(&header.to_string(), &fixture.claims().to_string())).is_ok());
}

#[test]
fn other_issuers() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    fixture.assert_refused(&other.key.token(&other.claims()), Refusal::Issuer);
    let url = fixture.issuer.url();
    let upper = url.replace("http", "HTTP");
    for issuer in [format!("{url}/"), upper, "https://evil.example.com".into(), String::new()] {
        assert_eq!(fixture.check_with("iss", json!(issuer)), Err(Refusal::Issuer.into()), "{issuer}");
    }
    for issuer in [Value::Null, json!([url]), json!(1)] {
        assert_eq!(fixture.check_with("iss", issuer), Err(Refusal::Issuer.into()));
    }
    assert_eq!(fixture.issuer.documents(), 0);
}

#[test]
fn keys_of_one_issuer_sign_nothing_for_another() {
    let (first, second) = (Fixture::new(), Fixture::new());
    let own = SigningKey::p256("b");
    second.issuer.publish(&[&own]);
    let settings = |fixture: &Fixture| crate::Issuer {
        name: fixture.issuer.url(),
        issuer: fixture.issuer.url(),
        audience: Some(super::AUDIENCE.into()),
        authorized_parties: Vec::new(),
    };
    let both = crate::Issuers::new(vec![settings(&first), settings(&second)]).unwrap();
    assert!(both.check(&own.token(&second.claims()), now()).is_ok());
    assert_eq!(both.check(&own.token(&first.claims()), now()), Err(Refusal::Key.into()));
}

#[test]
fn other_audiences() {
    let fixture = Fixture::new();
    for audience in [
        json!("other"),
        json!([]),
        json!(["other"]),
        json!("tollgate"),
        json!("tollgate-web "),
        json!({"tollgate-web": 1}),
        json!([1, "tollgate-web"]),
        json!(vec!["tollgate-web"; 101]),
        Value::Null,
    ] {
        let checked = fixture.check_with("aud", audience.clone());
        assert_eq!(checked, Err(Refusal::Audience.into()), "{audience}");
    }
}

#[test]
fn expired_by_a_second_or_not_good_yet() {
    let fixture = Fixture::new();
    let at = now().timestamp();
    for (name, value) in [
        ("exp", json!(at - 1)),
        ("exp", json!(at)),
        ("exp", Value::Null),
        ("exp", json!((at + 60).to_string())),
        ("exp", json!(1.0e30)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(at + 31)),
        ("iat", Value::Null),
        ("iat", json!("now")),
        ("nbf", json!(at + 31)),
        ("nbf", json!("soon")),
    ] {
        assert_eq!(fixture.check_with(name, value.clone()), Err(Refusal::Time.into()), "{name}: {value}");
    }
    for (name, value) in [("exp", at + 1), ("iat", at + 30), ("nbf", at + 30)] {
        assert!(fixture.check_with(name, json!(value)).is_ok(), "{name}");
    }
}

#[test]
fn nobody() {
    let fixture = Fixture::new();
    for subject in [json!(""), json!("a".repeat(256)), json!("a\u{0}b"), json!("a\nb"), json!(1), Value::Null]
    {
        assert_eq!(fixture.check_with("sub", subject.clone()), Err(Refusal::Subject.into()), "{subject}");
    }
    assert!(fixture.check_with("sub", json!("a".repeat(255))).is_ok());
}

#[test]
fn a_claim_or_a_header_that_is_there_twice() {
    let fixture = Fixture::new();
    let (header, claims) = (fixture.key.header().to_string(), fixture.claims().to_string());
    let twice = claims.replacen('{', "{\"sub\":\"admin\",", 1);
    fixture.assert_refused(&fixture.key.sign(&header, &twice), Refusal::Duplicate);
    let twice = claims.replacen('{', "{\"unknown\":1,\"unknown\":2,", 1);
    fixture.assert_refused(&fixture.key.sign(&header, &twice), Refusal::Duplicate);
    let twice = header.replacen('{', "{\"alg\":\"none\",", 1);
    fixture.assert_refused(&fixture.key.sign(&twice, &claims), Refusal::Duplicate);
    let twice = header.replacen('{', "{\"\\u0061lg\":\"none\",", 1);
    fixture.assert_refused(&fixture.key.sign(&twice, &claims), Refusal::Duplicate);
}

#[test]
fn a_good_token_that_was_changed() {
    let fixture = Fixture::new();
    let token = fixture.key.token(&fixture.claims());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let other = fixture.key.token(&fixture.claims_with("sub", json!("admin")));
    let others: Vec<_> = other.split('.').collect();
    fixture.assert_refused(&[header, others[1], signature].join("."), Refusal::Signature);
    fixture.assert_refused(&[header, claims, others[2]].join("."), Refusal::Signature);
    fixture.assert_refused(&[header, claims, ""].join("."), Refusal::Signature);
    fixture.assert_refused(&[header, claims, &signature[4..]].join("."), Refusal::Signature);
    for text in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{token}"),
        format!("{token}\n"),
        format!(" {token}"),
        [header, claims].join("."),
        [header, "", signature].join("."),
        ["", claims, signature].join("."),
        [header, "W10", signature].join("."),
        [header, "bnVsbA", signature].join("."),
        String::new(),
        "..".into(),
        "a.b.c".into(),
        "é.é.é".into(),
        "a".repeat(16 * 1024 + 1),
    ] {
        fixture.assert_refused(&text, Refusal::Malformed);
    }
    assert_eq!(fixture.issuers.check(&token, now()).map(|identity| identity.subject), Ok("user_1".into()));
    assert!(!matches!(fixture.check(&other), Err(Failure::Unreachable)));
}

#[test]
fn signatures_in_another_form() {
    let fixture = Fixture::with(SigningKey::p256("a"), Some(super::AUDIENCE), &[]);
    let token = fixture.key.token(&fixture.claims());
    let (message, _) = token.rsplit_once('.').unwrap();
    // Both halves zero: accepted by verifiers that forget their range (CVE-2022-21449).
    for zeros in [64, 72, 0] {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let signature = BASE64_URL_SAFE_NO_PAD.encode(vec![0; zeros]);
        fixture.assert_refused(&format!("{message}.{signature}"), Refusal::Signature);
    }
}
