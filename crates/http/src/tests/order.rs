//! Who asks is settled before what is asked for is looked at.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tollgate_domain::{Permission, Permissions};

use super::{
    Answer, UNKNOWN_KEY, answer_of, any,
    away::{self, Told},
    get, post,
};

const KEYS: &str = "/api/v1/keys";
const A_KEY: &str = "/api/v1/keys/01234567890123456789012345678901";

/// The answer of a server that does not remember the key yet.
async fn answer_to(told: Told, request: TestRequest) -> Answer {
    let request = request.insert_header(("x-api-key", UNKNOWN_KEY));
    answer_of(&away::telling(told, away::settings()), request).await
}

fn manager() -> Told {
    Told::Held(Permissions::defaults().with(Permission::KeysManage))
}

/// What is wrong with the one field that is.
fn fault(answer: &Answer) -> (u16, Value, Value) {
    let fault = &answer.json()["errors"][0];
    (answer.status.as_u16(), fault["field"].clone(), fault["code"].clone())
}

/// Requests each of which is wrong by itself.
fn wrong() -> Vec<TestRequest> {
    let body = |method, path, kind: &'static str, text: &'static str| {
        any(method, path).insert_header(("content-type", kind)).set_payload(text)
    };
    let (json, text) = ("application/json", "text/plain");
    vec![
        body("POST", KEYS, json, "{"),
        body("POST", KEYS, json, r#"{"nonsense": 1}"#),
        body("POST", KEYS, text, "x"),
        body("POST", KEYS, json, "{}").insert_header(("content-encoding", "gzip")),
        get("/api/v1/keys?limit=0"),
        any("DELETE", "/api/v1/keys/nonsense"),
        any("DELETE", A_KEY).uri(&format!("{A_KEY}?descendants=true")),
        body("PATCH", "/api/v1/admin/users/nonsense", json, "{}"),
        body("PATCH", "/api/v1/admin/users/{id}", text, "x"),
        body("PATCH", "/api/v1/admin/keys/nonsense", json, "{}"),
        body("PATCH", "/api/v1/admin/keys/{id}", json, r#"{"nonsense": 1}"#),
        get("/api/v1/admin/users?limit=0"),
        get("/api/v1/admin/keys?user_id=nonsense"),
        get("/api/v1/admin/users/nonsense"),
        get("/api/v1/admin/users/nonsense/stats?days=0"),
        body("POST", "/admin/users/create", text, "x"),
        body("POST", "/api/v1/admin/users", json, r#"{"nonsense": 1}"#),
        any("POST", "/admin/users/nonsense/deactivate"),
        any("DELETE", "/api/v1/admin/keys/nonsense"),
        get("/api/v1/usage/stats?days=0"),
    ]
}

#[actix_web::test]
async fn nothing_is_said_of_a_request_before_it_is_known_whose_it_is() {
    let chat = Permissions::from_text("chat").unwrap();
    for (told, status, code) in [
        (Told::Nothing, 503, "store_unavailable"),
        (Told::Unknown, 401, "invalid_api_key"),
        (Told::Held(chat), 403, "permission_denied"),
    ] {
        for (at, request) in wrong().into_iter().enumerate() {
            let answer = answer_to(told.clone(), request).await;
            let found = (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned());
            assert_eq!(found, (status, code.to_owned()), "request {at}: {}", answer.body);
        }
    }
}

#[actix_web::test]
async fn the_bodies_of_the_documents_make_keys() {
    for body in [
        json!({
            "name": "My API Key",
            "tier": "free",
            "expires_in_days": 365,
            "metadata": {"email": "user@example.com", "company": "Example Corp"},
        }),
        json!({"name": "Production Key"}),
    ] {
        // As far as the database, which is away.
        let answer = answer_to(manager(), post(KEYS, &body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (503, Some("store_unavailable"))
        );
    }
}

#[actix_web::test]
async fn a_member_that_no_key_has_is_named() {
    let body = json!({"name": "ci", "permission": ["chat"]});
    let answer = answer_to(manager(), post(KEYS, &body)).await;
    assert_eq!(fault(&answer), (422, "permission".into(), "unknown_field".into()));
}

#[actix_web::test]
async fn descendants_are_meant_or_not() {
    let delete = |query: &str| any("DELETE", A_KEY).uri(&format!("{A_KEY}{query}"));
    let neither = answer_to(manager(), delete("?descendants=all")).await;
    assert_eq!(fault(&neither), (422, "descendants".into(), "invalid_value".into()));
    for query in ["", "?descendants=false", "?descendants=true", "?other=true"] {
        // As far as the database, which is away.
        assert_eq!(answer_to(manager(), delete(query)).await.status, 503, "{query}");
    }
}
