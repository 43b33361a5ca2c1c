//! RFC 8628, as far as it goes without a database.

use super::*;

const TOKEN: &str = "/api/v1/auth/device/token";
const CODE: &str = "/api/v1/auth/device/code";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn sent(path: &str, kind: &'static str, body: &str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("content-type", kind)).set_payload(body.to_owned())
}

#[actix_web::test]
async fn what_is_wrong_with_a_question_is_named_as_oauth_does() {
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let granted = format!("grant_type={GRANT}");
    for (kind, body, status, error) in [
        (form, "", 400, "invalid_request"),
        (form, "device_code=x", 400, "invalid_request"),
        (form, "grant_type=&device_code=x", 400, "invalid_request"),
        (form, &granted, 400, "invalid_request"),
        (form, &format!("{granted}&device_code="), 400, "invalid_request"),
        (form, &format!("{granted}&device_code=a&device_code=b"), 400, "invalid_request"),
        (form, "grant_type=refresh_token&device_code=x", 400, "unsupported_grant_type"),
        (json, "{}", 400, "invalid_request"),
        (json, "[]", 400, "invalid_request"),
        (json, "{", 400, "invalid_request"),
        (json, r#"{"grant_type": 1}"#, 400, "invalid_request"),
        (json, r#"{"grant_type": "password"}"#, 400, "unsupported_grant_type"),
        ("", "", 400, "invalid_request"),
        ("text/plain", "x", 415, "invalid_request"),
        (form, &"x".repeat(2_000), 413, "invalid_request"),
    ] {
        for path in [TOKEN, "/api/auth/device/token"] {
            let answer = answer(sent(path, kind, body)).await;
            let said = answer.json();
            assert_eq!(
                (answer.status.as_u16(), said["error"].as_str()),
                (status, Some(error)),
                "{kind} {body}"
            );
            assert_eq!(answer.header("content-type"), MEDIA_TYPE);
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
}

#[actix_web::test]
async fn a_missing_field_is_named() {
    let answer = answer(post(TOKEN, &json!({"grant_type": GRANT}))).await.json();
    assert_eq!(
        (&answer["errors"][0]["field"], &answer["errors"][0]["code"]),
        (&json!("device_code"), &json!("missing"))
    );
}

#[actix_web::test]
async fn a_programs_name_is_judged_before_anything_is_done() {
    for name in ["x".repeat(101), "a\nb".to_owned()] {
        let answer = answer(post(CODE, &json!({"client_id": name}))).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], "invalid_request");
        assert_eq!(answer.json()["errors"][0]["field"], "client_id");
    }
}

#[actix_web::test]
async fn without_a_database_it_is_503_and_tells_nothing() {
    let question = json!({"grant_type": GRANT, "device_code": "secret-1"});
    for request in [post(CODE, &json!({})), post(TOKEN, &question)] {
        let answer = answer(request).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("store_unavailable")));
        assert!(answer.json().get("error").is_none());
        assert!(!answer.body.contains("secret-1"));
    }
}

#[actix_web::test]
async fn a_device_is_approved_with_an_access_token_only() {
    for path in ["/api/v1/auth/device/approve", "/api/auth/device/approve"] {
        let answer = answer(post(path, &json!({"user_code": "WDJB-MJHT"}))).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (401, &json!("missing_credentials")));
        assert!(answer.json().get("error").is_none());
    }
}
