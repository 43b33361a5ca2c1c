//! Forgeries by name, through the routes: tokens that look like our own access tokens, identity tokens, and tokens of
//! one kind presented as another.

use secrecy::ExposeSecret;
use tollgate_accounts::Client;
use tollgate_domain::Clock;
use tollgate_testkit::{SigningKey, hs256, parts, unsigned};

use super::{
    house::{House, access, refresh},
    *,
};

/// The secret that signs access tokens here.
const SECRET: &str = "jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj";
/// Routes that take an access token.
const GUARDED: [(&str, &str); 5] = [
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/auth/sessions"),
    ("GET", "/api/v1/keys"),
    ("GET", "/api/v1/auth/usage/stats"),
    ("POST", "/api/v1/auth/logout"),
];

fn with(object: &Value, name: &str, value: Value) -> String {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object.to_string()
}

impl House {
    async fn assert_no_access(&self, token: &str, what: &str) {
        for (method, path) in GUARDED {
            let answer = self.with(method, path, token).await;
            assert_eq!(answer.status, 401, "{what}: {method} {path}: {}", answer.body);
            let code = answer.json()["code"].clone();
            assert!(code == "invalid_credentials" || code == "invalid_api_key", "{what}: {code}");
        }
    }

    async fn external(&self, token: &str) -> Answer {
        self.answer(post("/api/v1/auth/external", &json!({"token": token}))).await
    }

    async fn assert_no_identity(&self, token: &str, what: &str) {
        let answer = self.external(token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        assert_eq!(answer.json()["code"], "invalid_credentials", "{what}");
    }
}

#[actix_web::test]
async fn forged_access_tokens() {
    let house = House::new();
    let user = house.user("user@example.com");
    let (header, claims) = parts(access(&user));
    let (text, said) = (header.to_string(), claims.to_string());
    // Otherwise the forgeries might be refused for another reason than theirs.
    let good = hs256(&text, &with(&claims, "jti", json!("another")), SECRET.as_bytes());
    assert_eq!(house.with("GET", "/api/v1/auth/me", &good).await.status, 200);

    let at = house.clock.now().timestamp();
    let own = "the forger's own secret, long enough";
    let jwk = json!({"kty": "oct", "k": "dGhlIGZvcmdlcidzIG93biBzZWNyZXQsIGxvbmcgZW5vdWdo"});
    let rsa = SigningKey::rsa("a", 0);
    let forged = |header: &str, claims: &str| hs256(header, claims, SECRET.as_bytes());
    let mut forgeries = vec![
        ("alg none", unsigned(&with(&header, "alg", json!("none")), &said)),
        ("no signature", unsigned(&text, &said)),
        ("HS512 by name", forged(&with(&header, "alg", json!("HS512")), &said)),
        ("RS256 by name", forged(&with(&header, "alg", json!("RS256")), &said)),
        ("RS256", rsa.sign(&with(&header, "alg", json!("RS256")), &said)),
        ("RS256 called HS256", rsa.sign(&text, &said)),
        ("another installation's secret", hs256(&text, &said, own.as_bytes())),
        ("no secret", hs256(&text, &said, b"")),
        ("a key in the header", hs256(&with(&header, "jwk", jwk), &said, own.as_bytes())),
        (
            "the address of a key",
            hs256(&with(&header, "jku", json!("https://evil.example.com/keys")), &said, own.as_bytes()),
        ),
        (
            "the address of a certificate",
            hs256(&with(&header, "x5u", json!("https://evil.example.com/x")), &said, own.as_bytes()),
        ),
        ("a path as key", hs256(&with(&header, "kid", json!("../../dev/null")), &said, b"")),
    ];
    for (what, name, value) in [
        ("another typ", "typ", json!("refresh")),
        ("the typ of a challenge", "typ", json!("mfa")),
        ("no typ", "typ", Value::Null),
        ("another iss", "iss", json!("https://evil.example.com")),
        ("no iss", "iss", Value::Null),
        ("another aud", "aud", json!("elsewhere")),
        ("two aud", "aud", json!(["tollgate", "elsewhere"])),
        ("no aud", "aud", Value::Null),
        ("expired by a second", "exp", json!(at - 1)),
        ("expired now", "exp", json!(at)),
        ("no exp", "exp", Value::Null),
        ("another session", "sid", json!("01234567890123456789012345678901")),
        ("another user", "sub", json!("01234567890123456789012345678901")),
        ("nobody", "sub", Value::Null),
    ] {
        forgeries.push((what, forged(&text, &with(&claims, name, value))));
    }
    for (what, token) in forgeries {
        house.assert_no_access(&token, what).await;
    }
    assert_eq!(house.with("GET", "/api/v1/auth/me", access(&user)).await.status, 200);
}

#[actix_web::test]
async fn an_access_token_of_another_user_or_another_installation() {
    let (house, other) = (House::from_seed(1), House::from_seed(2));
    let (ann, bob) = (house.user("ann@example.com"), house.user("bob@example.com"));
    let (header, claims) = parts(access(&ann));
    // Ann's session under Bob's name, by somebody who knows the secret.
    let mixed = with(&claims, "sub", json!(bob.user.id.to_string()));
    house.assert_no_access(&hs256(&header.to_string(), &mixed, SECRET.as_bytes()), "another user").await;
    let stranger = other.user("ann@example.com");
    assert_eq!(other.with("GET", "/api/v1/auth/me", access(&stranger)).await.status, 200);
    // The same secret even: the session is not there.
    house.assert_no_access(access(&stranger), "another installation").await;
    let answer =
        house.answer(post("/api/v1/auth/refresh", &json!({"refresh_token": refresh(&stranger)}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (401, &json!("invalid_credentials")));
}

#[actix_web::test]
async fn an_access_token_ends_with_its_last_second_and_with_its_session() {
    let house = House::new();
    let user = house.user("user@example.com");
    let me = "/api/v1/auth/me";
    house.clock.advance(chrono::TimeDelta::seconds(30 * 60 - 1));
    assert_eq!(house.with("GET", me, access(&user)).await.status, 200);
    house.clock.advance(chrono::TimeDelta::seconds(1));
    house.assert_no_access(access(&user), "expired").await;
    let second = house.user("second@example.com");
    assert_eq!(house.with("POST", "/api/v1/auth/logout", access(&second)).await.status, 204);
    house.assert_no_access(access(&second), "logged out").await;
}

#[actix_web::test]
async fn forged_identity_tokens() {
    let house = House::new();
    let (key, claims) = (&house.key, house.claims("victim"));
    assert_eq!(house.external(&key.token(&claims)).await.status, 200);

    let (header, said) = (key.header(), claims.to_string());
    let own = SigningKey::rsa("a", 1);
    let at = house.clock.now().timestamp();
    let evil = json!("https://evil.example.com/keys");
    let mut forgeries = vec![
        ("alg none", unsigned(&with(&header, "alg", json!("none")), &said)),
        ("no signature", unsigned(&header.to_string(), &said)),
        ("another key of the same name", own.token(&claims)),
        ("the forger's key in the header", own.sign(&with(&header, "jwk", own.jwk()), &said)),
        ("the issuer's key in the header", key.sign(&with(&header, "jwk", key.jwk()), &said)),
        ("jku", own.sign(&with(&header, "jku", evil.clone()), &said)),
        ("x5u", own.sign(&with(&header, "x5u", evil.clone()), &said)),
        ("crit", key.sign(&with(&header, "crit", json!(["exp"])), &said)),
        ("an access token's typ", key.sign(&with(&header, "typ", json!("at+jwt")), &said)),
        (
            "twice the same claim",
            key.sign(&header.to_string(), &said.replacen('{', "{\"sub\":\"admin\",", 1)),
        ),
    ];
    for secret in key.public_forms() {
        let confused = with(&header, "alg", json!("HS256"));
        forgeries.push(("the public key as a secret", hs256(&confused, &said, &secret)));
        forgeries.push(("the same, called RS256", hs256(&header.to_string(), &said, &secret)));
    }
    for (what, name, value) in [
        ("another iss", "iss", evil),
        ("another aud", "aud", json!("elsewhere")),
        ("no aud", "aud", Value::Null),
        ("expired by a second", "exp", json!(at - 1)),
        ("expired now", "exp", json!(at)),
        ("not yet", "nbf", json!(at + 31)),
        ("from the future", "iat", json!(at + 31)),
        ("nobody", "sub", json!("")),
        ("another typ", "typ", json!("Bearer")),
    ] {
        forgeries.push((what, key.sign(&header.to_string(), &with(&claims, name, value))));
    }
    for (what, token) in forgeries {
        house.assert_no_identity(&token, what).await;
    }
    assert_eq!(house.issuer.key_sets(), 1);
}

/// Where a token is taken: what it is called, the call that carries one, and how another kind is refused.
struct Place {
    kind: &'static str,
    call: fn(&str) -> TestRequest,
    refused: (u16, &'static str),
}

const PLACES: [Place; 6] = [
    Place {
        kind: "refresh",
        call: |token| post("/api/v1/auth/refresh", &json!({"refresh_token": token})),
        refused: (401, "invalid_credentials"),
    },
    Place {
        kind: "identity",
        call: |token| post("/api/v1/auth/external", &json!({"token": token})),
        refused: (401, "invalid_credentials"),
    },
    Place {
        kind: "mfa",
        call: |token| post("/api/v1/auth/2fa/verify", &json!({"mfa_token": token, "code": "000000"})),
        refused: (401, "invalid_credentials"),
    },
    Place {
        kind: "verification",
        call: |token| post("/api/v1/auth/verify-email", &json!({"token": token})),
        refused: (422, "validation_failed"),
    },
    Place {
        kind: "reset",
        call: |token| {
            post("/api/v1/auth/reset-password", &json!({"token": token, "new_password": "a new one 1"}))
        },
        refused: (422, "validation_failed"),
    },
    Place {
        kind: "device",
        call: |token| {
            let grant = "urn:ietf:params:oauth:grant-type:device_code";
            let form = [("grant_type", grant), ("device_code", token)];
            TestRequest::post().uri("/api/v1/auth/device/token").set_form(form)
        },
        refused: (400, "invalid_grant"),
    },
];

#[actix_web::test]
async fn no_token_of_one_kind_is_taken_for_another() {
    let house = House::new();
    let user = house.user("user@example.com");
    let (verification, reset) = house.mailed("user@example.com");
    let (mfa, code) = house.challenged("second@example.com");
    let device = house.state.accounts.begin_device(None, &Client::default()).unwrap().device_code;
    let tokens = [
        ("access", access(&user).to_owned()),
        ("refresh", refresh(&user).to_owned()),
        ("identity", house.key.token(&house.claims("somebody"))),
        ("mfa", mfa.clone()),
        ("verification", verification),
        ("reset", reset),
        ("device", device.expose_secret().to_owned()),
    ];
    for (kind, token) in &tokens {
        if *kind != "access" {
            house.assert_no_access(token, &format!("{kind} as access")).await;
        }
        for place in PLACES.iter().filter(|place| place.kind != *kind) {
            let answer = house.answer((place.call)(token)).await;
            let (status, problem) = place.refused;
            let shown = format!("{kind} as {}: {}", place.kind, answer.body);
            assert_eq!(
                (answer.status.as_u16(), answer.json()["code"].as_str()),
                (status, Some(problem)),
                "{shown}"
            );
        }
    }
    // None of that has used one up, and each is good for what it is.
    let token = |kind: &str| tokens.iter().find(|(known, _)| *known == kind).unwrap().1.as_str();
    let own = |kind: &str| (PLACES.iter().find(|place| place.kind == kind).unwrap().call)(token(kind));
    assert_eq!(house.with("GET", "/api/v1/auth/me", token("access")).await.status, 200);
    for (kind, status) in [("refresh", 200), ("identity", 200), ("verification", 200), ("reset", 204)] {
        let answer = house.answer(own(kind)).await;
        assert_eq!(answer.status, status, "{kind}: {}", answer.body);
    }
    let verified = post("/api/v1/auth/2fa/verify", &json!({"mfa_token": mfa, "code": code}));
    assert_eq!(house.answer(verified).await.status, 200);
    assert_eq!(house.answer(own("device")).await.json()["code"], "authorization_pending");
}
