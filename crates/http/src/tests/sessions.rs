//! Refreshing, logging out, and the list of sessions.

use tollgate_domain::Permissions;

use super::*;

const REFRESH: &str = "/api/v1/auth/refresh";

#[actix_web::test]
async fn what_is_wrong_with_a_wish_to_refresh_is_named() {
    for (body, field, code) in [
        (json!({}), "refresh_token", "missing"),
        (json!({"refresh_token": null}), "refresh_token", "wrong_type"),
        (json!({"refresh_token": 1}), "refresh_token", "wrong_type"),
        (json!({"refresh_token": ["x"]}), "refresh_token", "wrong_type"),
        (json!(["x"]), "body", "wrong_type"),
    ] {
        for path in [REFRESH, "/api/auth/refresh"] {
            let answer = answer(post(path, &body)).await;
            assert_eq!(answer.status, 422, "{body}");
            let error = &answer.json()["errors"][0];
            assert_eq!(
                (error["field"].as_str(), error["code"].as_str()),
                (Some(field), Some(code)),
                "{body}"
            );
        }
    }
    let twice = TestRequest::post()
        .uri(REFRESH)
        .insert_header(("content-type", "application/json"))
        .set_payload(r#"{"refresh_token": "a", "refresh_token": "b"}"#);
    let twice = answer(twice).await;
    assert_eq!((twice.status.as_u16(), &twice.json()["errors"][0]["code"]), (422, &json!("duplicate")));
    let form = TestRequest::post().uri(REFRESH).set_form([("refresh_token", "x")]);
    assert_eq!(answer(form).await.status, 415);
    let long = answer(post(REFRESH, &json!({"refresh_token": "x".repeat(2_000)}))).await;
    assert_eq!((long.status.as_u16(), &long.json()["code"]), (413, &json!("payload_too_large")));
}

#[actix_web::test]
async fn what_cannot_be_a_refresh_token_is_refused_and_nobody_is_asked() {
    // The database is away: whoever asked it would answer 503.
    let answer = answer(post(REFRESH, &json!({"refresh_token": ""}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (401, &json!("invalid_credentials")));
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"tollgate\", error=\"invalid_token\"");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn a_refresh_without_a_database_is_503_and_tells_nothing() {
    let answer = answer(post(REFRESH, &json!({"refresh_token": "secret-1"}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("store_unavailable")));
    assert!(!answer.body.contains("hunter2") && !answer.body.contains("secret-1"));
}

#[actix_web::test]
async fn sessions_are_for_access_tokens_only() {
    let told = away::Told::Held(Permissions::from_text("keys:manage,chat").unwrap());
    let state = away::telling(told, away::settings());
    for (method, path) in
        [("POST", "logout"), ("GET", "sessions"), ("DELETE", "sessions/{id}"), ("GET", "sessions?limit=0")]
    {
        for prefix in ["/api/v1/auth/", "/api/auth/"] {
            let request = any(method, &format!("{prefix}{path}")).insert_header(("x-api-key", UNKNOWN_KEY));
            let answer = answer_of(&state, request).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
            assert_eq!(answer.json()["code"], "permission_denied");
        }
    }
}
