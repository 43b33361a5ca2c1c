//! `Idempotency-Key`: which calls take it, and what they are answered the second time.

use chrono::TimeDelta;
use tollgate_accounts::{AccountsError, By, Client, admin::NewAdmin, login::Login};
use tollgate_domain::Clock;
use tollgate_testkit::Fault;
use totp_rs::{Builder, Secret};

use super::{
    house::{House, PASSWORD, access},
    *,
};
use crate::problem::Problem;

const KEYS: &str = "/api/v1/keys";
/// Longer than a run has its call for itself.
const LONG: TimeDelta = TimeDelta::seconds(31);

fn keyed(path: &str, body: &Value, credential: &str, key: &str) -> TestRequest {
    let request = post(path, body).insert_header(("authorization", format!("Bearer {credential}")));
    request.insert_header(("idempotency-key", key))
}

fn code_of(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// What an authenticator shows now that was set up so.
fn code_now(house: &House, set_up: &Value) -> String {
    let secret = Secret::try_from_base32(set_up["secret"].as_str().unwrap()).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(house.clock.now().timestamp()).unwrap()).to_string()
}

async fn keys_of(house: &House, credential: &str) -> usize {
    let list = house.with("GET", "/api/v1/keys?include_inactive=true", credential).await;
    list.json()["items"].as_array().unwrap().len()
}

/// What a call is answered the first time, and what it must be answered the second.
async fn twice(house: &House, path: &str, body: &Value, credential: &str, is_kept: bool) -> Value {
    let request = || keyed(path, body, credential, "one");
    let first = house.answer(request()).await;
    assert!(first.status.is_success(), "{path}: {}", first.body);
    assert_eq!(first.header("idempotent-replayed"), "", "{path}");
    let second = house.answer(request()).await;
    if is_kept {
        assert_eq!((second.status, &second.body), (first.status, &first.body), "{path}");
        assert_eq!(second.header("idempotent-replayed"), "true", "{path}");
        for header in ["content-type", "cache-control"] {
            assert_eq!(second.header(header), first.header(header), "{path}: {header}");
        }
        assert_eq!(second.header("cache-control"), "no-store", "{path}");
        assert_ne!(second.header("x-request-id"), first.header("x-request-id"), "{path}");
    } else {
        assert_eq!(code_of(&second), (409, "idempotency_in_progress".into()), "{path}");
        assert_eq!(second.header("retry-after"), "1", "{path}");
        house.clock.advance(LONG);
        let late = house.answer(request()).await;
        assert_eq!(code_of(&late), (409, "conflict".into()), "{path}: {}", late.body);
        assert!(late.body.contains("its answer is lost"), "{path}: {}", late.body);
    }
    let other = house.answer(keyed(&format!("{path}?other=1"), body, credential, "one")).await;
    assert_eq!(code_of(&other), (422, "idempotency_key_reused".into()), "{path}");
    house.clock.advance(LONG);
    first.json()
}

/// Every repeatable call, twice.
async fn all_twice(house: &House, is_kept: bool) -> Vec<String> {
    let admin = NewAdmin { email: "root@example.com".into(), password: PASSWORD.into(), name: None };
    house.state.accounts.create_admin(&By::program(), &admin).unwrap();
    let login = Login { email: admin.email, password: PASSWORD.into() };
    let admin = house.state.accounts.login(&login, &Client::default()).unwrap();
    let user = house.user("user@example.com");
    let (admin, user) = (access(&admin), access(&user));
    let mut called = Vec::new();
    macro_rules! twice {
        ($path:literal, $at:expr, $body:expr, $credential:expr) => {{
            called.push($path.to_owned());
            twice(house, $at, &$body, $credential, is_kept).await
        }};
    }
    let made = twice!("/api/v1/keys", KEYS, json!({"name": "one"}), user);
    let rotate = format!("{KEYS}/{}/rotate", made["id"].as_str().unwrap());
    twice!("/api/v1/keys/{id}/rotate", &rotate, json!({}), user);
    let users = "/api/v1/admin/users";
    twice!("/api/v1/admin/users", users, json!({"name": "A", "email": "a@example.com"}), admin);
    let create = "/api/v1/admin/users/create";
    twice!("/api/v1/admin/users/create", create, json!({"name": "A", "email": "a@example.com"}), admin);
    let invites = "/api/v1/admin/invites";
    twice!("/api/v1/admin/invites", invites, json!({"email": "b@example.com"}), admin);
    let setup = "/api/v1/auth/2fa/setup";
    let set_up = twice!("/api/v1/auth/2fa/setup", setup, json!({}), user);
    let code = || code_now(house, &set_up);
    let enable = "/api/v1/auth/2fa/enable";
    twice!("/api/v1/auth/2fa/enable", enable, json!({"code": code()}), user);
    let renew = "/api/v1/auth/2fa/backup-codes";
    let confirmed = json!({"password": PASSWORD, "code": code()});
    twice!("/api/v1/auth/2fa/backup-codes", renew, confirmed, user);
    called
}

/// The calls of the document that take the key.
fn documented() -> Vec<String> {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let takes_key = |operation: &Value| {
        let parameters = operation["parameters"].as_array();
        parameters.into_iter().flatten().any(|parameter| parameter["name"] == "Idempotency-Key")
    };
    paths.filter(|(_, item)| takes_key(&item["post"])).map(|(path, _)| path.clone()).collect()
}

#[actix_web::test]
async fn every_repeatable_call_is_answered_again_as_it_was_answered() {
    let mut called = all_twice(&House::new(), true).await;
    called.sort();
    assert_eq!(called, documented(), "this test calls them all");
}

#[actix_web::test]
async fn whatever_call_loses_its_answer_is_not_done_again() {
    let house = House::new();
    house.faulty.inject("idempotency.keep", Fault::FailBefore);
    all_twice(&house, false).await;
}

#[actix_web::test]
async fn a_call_is_the_same_under_every_name_and_nobody_elses() {
    let house = House::new();
    let (ann, bob) = (house.user("ann@example.com"), house.user("bob@example.com"));
    let body = json!({"name": "one", "permissions": ["chat"]});
    let first = house.answer(keyed(KEYS, &body, access(&ann), "k")).await;
    for alias in ["/api/keys", "/api/v1/auth/api-keys", "/api/auth/api-keys", "/api/v1/keys/"] {
        let again = house.answer(keyed(alias, &body, access(&ann), "k")).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{alias}");
    }
    let before = keys_of(&house, access(&ann)).await;
    let others = house.answer(keyed(KEYS, &body, access(&bob), "k")).await;
    assert_eq!(others.status, 201);
    assert_ne!(others.json()["id"], first.json()["id"]);
    // Another key, and another credential of the same user.
    let managing = json!({"name": "m", "permissions": ["keys:manage", "chat"]});
    let manager = house.answer(keyed(KEYS, &managing, access(&ann), "l")).await.json();
    let by_key = house.answer(keyed(KEYS, &body, manager["key"].as_str().unwrap(), "k")).await;
    assert_eq!(by_key.status, 201, "{}", by_key.body);
    assert_ne!(by_key.json()["id"], first.json()["id"]);
    assert_eq!(keys_of(&house, access(&ann)).await, before + 2);
    // The path counts: the same words for another key of the user's.
    let rotate = |id: &Value| format!("{KEYS}/{}/rotate", id.as_str().unwrap());
    let one = house.answer(keyed(&rotate(&first.json()["id"]), &json!({}), access(&ann), "r")).await;
    let two = house.answer(keyed(&rotate(&manager["id"]), &json!({}), access(&ann), "r")).await;
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    assert_ne!(one.json()["key"], two.json()["key"]);
}

#[actix_web::test]
async fn what_failed_can_be_tried_again_under_the_same_key() {
    let house = House::new();
    let ann = house.user("ann@example.com");
    let wrong = house.answer(keyed(KEYS, &json!({"name": ""}), access(&ann), "k")).await;
    assert_eq!(code_of(&wrong), (422, "validation_failed".into()));
    let beyond = json!({"name": "x", "tier": "enterprise"});
    assert_eq!(house.answer(keyed(KEYS, &beyond, access(&ann), "k")).await.status, 403);
    house.faulty.inject_times("keys.create", Fault::FailBefore, 1);
    let body = json!({"name": "x"});
    let away = house.answer(keyed(KEYS, &body, access(&ann), "k")).await;
    assert_eq!(code_of(&away), (503, "store_unavailable".into()));
    let before = keys_of(&house, access(&ann)).await;
    assert_eq!(house.answer(keyed(KEYS, &body, access(&ann), "k")).await.status, 201);
    assert_eq!(house.answer(keyed(KEYS, &body, access(&ann), "k")).await.status, 201);
    assert_eq!(keys_of(&house, access(&ann)).await, before + 1);
    // A wrong code is told on the audit log, and nothing of it stands in the way of the right one.
    let setup = "/api/v1/auth/2fa/setup";
    let set_up = house.answer(keyed(setup, &json!({}), access(&ann), "s")).await.json();
    let enable = json!({"code": code_now(&house, &set_up)});
    assert_eq!(house.answer(keyed("/api/v1/auth/2fa/enable", &enable, access(&ann), "e")).await.status, 200);
    house.clock.advance(LONG);
    let renew = "/api/v1/auth/2fa/backup-codes";
    let wrong = json!({"password": PASSWORD, "code": "000000"});
    for _ in 0..2 {
        let wrong = house.answer(keyed(renew, &wrong, access(&ann), "b")).await;
        assert_eq!(code_of(&wrong), (401, "invalid_credentials".into()));
    }
    let right = json!({"password": PASSWORD, "code": code_now(&house, &set_up)});
    assert_eq!(house.answer(keyed(renew, &right, access(&ann), "b")).await.status, 200);
}

#[actix_web::test]
async fn without_a_verdict_what_was_done_is_not_done_again() {
    let house = House::new();
    let ann = house.user("ann@example.com");
    house.faulty.inject_times("keys.create", Fault::FailAfter, 1);
    let request = || keyed(KEYS, &json!({"name": "x"}), access(&ann), "k");
    assert_eq!(house.answer(request()).await.status, 503);
    let made = keys_of(&house, access(&ann)).await;
    assert_eq!(code_of(&house.answer(request()).await), (409, "idempotency_in_progress".into()));
    house.clock.advance(LONG);
    assert_eq!(code_of(&house.answer(request()).await), (409, "conflict".into()));
    assert_eq!(keys_of(&house, access(&ann)).await, made);
}

#[actix_web::test]
async fn the_key_is_looked_at_behind_the_door_alone() {
    let house = House::new();
    let ann = house.user("ann@example.com");
    let long = "k".repeat(256);
    // Nobody: what the header says is no matter.
    let nobody = post(KEYS, &json!({"name": "x"})).insert_header(("idempotency-key", long.as_str()));
    assert_eq!(code_of(&house.answer(nobody).await), (401, "missing_credentials".into()));
    let register = || {
        let wish = json!({"email": "new@example.com", "password": PASSWORD});
        post("/api/v1/auth/register", &wish).insert_header(("idempotency-key", "k"))
    };
    assert_eq!(house.answer(register()).await.status, 201);
    assert_eq!(code_of(&house.answer(register()).await), (409, "email_taken".into()));
    // Who may not do it is told so, and gets nobody's answer.
    let body = json!({"name": "x"});
    assert_eq!(house.answer(keyed(KEYS, &body, access(&ann), "k")).await.status, 201);
    let weak = json!({"name": "w", "permissions": ["chat"]});
    let weak = house.answer(keyed(KEYS, &weak, access(&ann), "w")).await.json();
    let refused = house.answer(keyed(KEYS, &body, weak["key"].as_str().unwrap(), "k")).await;
    assert_eq!(code_of(&refused), (403, "permission_denied".into()));
    house.state.accounts.log_out(&house.identity(&ann), true).unwrap();
    assert_eq!(house.answer(keyed(KEYS, &body, access(&ann), "k")).await.status, 401);
}

#[actix_web::test]
async fn a_key_that_is_none_is_named() {
    let house = House::new();
    let ann = house.user("ann@example.com");
    let body = json!({"name": "x"});
    for (key, status) in [
        ("k".repeat(255), 201),
        ("a b-\"~!".into(), 201),
        (String::new(), 422),
        ("k".repeat(256), 422),
        ("ü".into(), 422),
        ("a\tb".into(), 422),
    ] {
        let answer = house.answer(keyed(KEYS, &body, access(&ann), &key)).await;
        assert_eq!(answer.status.as_u16(), status, "{key:?}: {}", answer.body);
        if status == 422 {
            let error = &answer.json()["errors"][0];
            assert_eq!(
                (&error["field"], &error["code"]),
                (&json!("Idempotency-Key"), &json!("invalid_value"))
            );
        }
    }
    let two = keyed(KEYS, &body, access(&ann), "a").append_header(("idempotency-key", "a"));
    assert_eq!(code_of(&house.answer(two).await), (400, "malformed_request".into()));
    let not_json = keyed(KEYS, &body, access(&ann), "z").set_payload("{");
    assert_eq!(code_of(&house.answer(not_json).await), (400, "malformed_request".into()));
}

#[actix_web::test]
async fn an_answer_is_told_again_for_a_day() {
    let house = House::new();
    let ann = house.user("ann@example.com");
    let login = Login { email: "ann@example.com".into(), password: PASSWORD.into() };
    let body = json!({"name": "x"});
    let first = house.answer(keyed(KEYS, &body, access(&ann), "k")).await;
    house.clock.advance(TimeDelta::seconds(86_399));
    let ann = house.state.accounts.login(&login, &Client::default()).unwrap();
    let again = house.answer(keyed(KEYS, &body, access(&ann), "k")).await;
    assert_eq!(again.body, first.body);
    house.clock.advance(TimeDelta::seconds(1));
    let other = house.answer(keyed(KEYS, &json!({"name": "y"}), access(&ann), "k")).await;
    assert_eq!((other.status.as_u16(), other.header("idempotent-replayed")), (201, ""));
    house.clock.advance(TimeDelta::hours(24));
    assert_eq!(house.state.accounts.forget_idempotent_calls(house.clock.now()).unwrap(), 1);
    assert!(first.json()["key"].as_str().is_some_and(|key| !key.is_empty()));
}

#[actix_web::test]
async fn who_has_too_many_kept_is_told_when_one_more_is() {
    let problem = Problem::from(AccountsError::TooManyIdempotencyKeys { max: 7, retry_after: 60 });
    assert_eq!((problem.status().as_u16(), problem.code()), (429, "rate_limit_exceeded"));
    assert!(problem.detail().contains("at most 7 calls"), "{}", problem.detail());
    let answer = actix_web::ResponseError::error_response(&problem);
    assert_eq!(answer.headers().get("retry-after").unwrap(), "60");
}
