//! Forgeries, and the limits of what is good.

use serde_json::{Value, json};
use tollgate_testkit::SigningKey;

use super::*;
use crate::fixture::Counting;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://api.example.com";

fn tokens(secrets: &[&str]) -> AccessTokens {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    AccessTokens::new(&secrets, ISSUER, TimeDelta::minutes(30)).unwrap()
}

fn now() -> Time {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn access() -> Access {
    let source = Counting::default();
    Access { user_id: UserId::new(now(), &source), session_id: SessionId::new(now(), &source) }
}

fn claims() -> Value {
    let at = now().timestamp();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": access().user_id.to_string(),
        "sid": access().session_id.to_string(), "exp": at + 60, "iat": at, "jti": "j", "typ": ACCESS,
    })
}

fn forged(header: &Value, claims: &Value, secret: &str) -> String {
    hs256::install();
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{tag}")
}

fn hs256_header() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

/// The good claims with one of them replaced; `null` takes it away.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    forged(&hs256_header(), &claims, SECRET)
}

#[test]
fn a_token_says_what_was_signed_until_its_last_second() {
    let tokens = tokens(&[SECRET]);
    let token = tokens.sign(access(), now(), &Counting::default()).unwrap();
    let token = token.expose_secret();
    assert_eq!(tokens.verify(token, now()), Some(access()));
    let end = now() + TimeDelta::minutes(30);
    assert_eq!(tokens.verify(token, end - TimeDelta::seconds(1)), Some(access()));
    assert_eq!(tokens.verify(token, end), None);
}

#[test]
fn the_good_forgery_is_good() {
    // Otherwise the forgeries below might be refused for another reason than theirs.
    assert_eq!(tokens(&[SECRET]).verify(&with("jti", json!("other")), now()), Some(access()));
}

#[test]
fn other_claims_are_refused() {
    let at = now().timestamp();
    for (name, value) in [
        ("iss", json!("https://evil.example.com")),
        ("iss", Value::Null),
        ("aud", json!("elsewhere")),
        ("aud", json!(["tollgate", "elsewhere"])),
        ("aud", Value::Null),
        ("typ", json!("refresh")),
        ("typ", Value::Null),
        ("sub", json!("root")),
        ("sub", Value::Null),
        ("sid", Value::Null),
        ("exp", json!(at)),
        ("exp", json!(at - 1)),
        ("exp", json!("9999999999")),
        ("exp", Value::Null),
        ("iat", json!(at + 61)),
        ("iat", Value::Null),
        ("jti", Value::Null),
    ] {
        assert_eq!(tokens(&[SECRET]).verify(&with(name, value.clone()), now()), None, "{name}: {value}");
    }
}

#[test]
fn other_algorithms_are_refused() {
    for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
        let token = forged(&json!({"alg": algorithm, "typ": "JWT"}), &claims(), SECRET);
        assert_eq!(tokens(&[SECRET]).verify(&token, now()), None, "{algorithm}");
        let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(tokens(&[SECRET]).verify(&unsigned, now()), None, "{algorithm}, unsigned");
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_not_believed() {
    let own = "the forger's own secret, long enough";
    let jwk = json!({"kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(own)});
    for header in [
        json!({"alg": "HS256", "typ": "JWT", "jwk": jwk}),
        json!({"alg": "HS256", "typ": "JWT", "jku": "https://evil.example.com/keys", "kid": "1"}),
        json!({"alg": "HS256", "typ": "JWT", "x5u": "https://evil.example.com/chain.pem"}),
        json!({"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}),
    ] {
        assert_eq!(tokens(&[SECRET]).verify(&forged(&header, &claims(), own), now()), None, "{header}");
    }
    assert_eq!(tokens(&[SECRET]).verify(&forged(&hs256_header(), &claims(), ""), now()), None);
}

#[test]
fn the_secret_taken_for_a_public_key_and_a_public_key_for_the_secret() {
    for key in [SigningKey::rsa("a", 0), SigningKey::p256("a"), SigningKey::ed25519("a")] {
        for header in [key.header(), hs256_header()] {
            let token = key.sign(&header.to_string(), &claims().to_string());
            assert_eq!(tokens(&[SECRET]).verify(&token, now()), None, "{header}");
        }
        for public in key.public_forms() {
            let token = tollgate_testkit::hs256(&hs256_header().to_string(), &claims().to_string(), &public);
            assert_eq!(tokens(&[SECRET]).verify(&token, now()), None, "{}", key.algorithm());
        }
    }
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let token = |secret: &str, issuer: &str| {
        let other = AccessTokens::new(&[secret.into()], issuer, TimeDelta::minutes(30)).unwrap();
        other.sign(access(), now(), &Counting::default()).unwrap()
    };
    assert!(tokens(&[SECRET]).verify(token(SECRET, ISSUER).expose_secret(), now()).is_some());
    for (secret, issuer) in [
        ("another secret of thirty-two bytes", ISSUER),
        (SECRET, "https://api.example.org"),
        (SECRET, "https://api.example.com/"),
        (SECRET, "http://api.example.com"),
    ] {
        let token = token(secret, issuer);
        assert_eq!(tokens(&[SECRET]).verify(token.expose_secret(), now()), None, "{secret} {issuer}");
    }
}

#[test]
fn opaque_tokens_are_no_access_tokens() {
    let pepper = Pepper::new(&["pepper"]).unwrap();
    // Refresh, reset, verification, device and 2FA tokens all look so.
    let (text, _hash) = new_refresh_token(&pepper, &Counting::default());
    let text = text.expose_secret();
    for token in [text.to_owned(), format!("{text}.{text}.{text}"), format!("{text}..")] {
        assert_eq!(tokens(&[SECRET]).verify(&token, now()), None);
    }
}

#[test]
fn older_secrets_verify_and_only_the_first_signs() {
    let old = tokens(&["old"]).sign(access(), now(), &Counting::default()).unwrap();
    assert!(tokens(&["new", "old"]).verify(old.expose_secret(), now()).is_some());
    let new = tokens(&["new", "old"]).sign(access(), now(), &Counting::default()).unwrap();
    assert!(tokens(&["old"]).verify(new.expose_secret(), now()).is_none());
}

#[test]
fn what_is_no_token_is_refused() {
    let long = "a".repeat(MAX_TOKEN_BYTES + 1);
    for text in ["", ".", "..", "...", "a.b.c", "sk_live_tg_x", "é.é.é", &long] {
        assert_eq!(tokens(&[SECRET]).verify(text, now()), None, "{text:.20}");
    }
}

#[test]
fn refresh_tokens_carry_256_bits_and_hash_by_their_kind() {
    let pepper = Pepper::new(&["pepper"]).unwrap();
    let (text, hash) = new_refresh_token(&pepper, &Counting::default());
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(text.expose_secret()).unwrap().len(), 32);
    assert_eq!(pepper.token_hashes("refresh", text.expose_secret().as_bytes()), [hash]);
    assert_ne!(pepper.token_hashes("reset", text.expose_secret().as_bytes()), [hash]);
}
