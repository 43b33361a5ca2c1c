//! Shapes of problems, and the mapping of what cannot be seen from the routes.

use actix_web::{body::to_bytes, http::header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::*;

async fn written(problem: &Problem, openai: bool) -> (HttpResponse<BoxBody>, Value) {
    let mut response = HttpResponse::new(StatusCode::OK);
    write(problem, Some("r-1"), openai, &mut response);
    let (head, body) = response.into_parts();
    let value = serde_json::from_slice(&to_bytes(body).await.unwrap()).unwrap();
    (head.map_into_boxed_body(), value)
}

fn of_json<T: serde::de::DeserializeOwned + fmt::Debug>(text: &str) -> Problem {
    let read = &mut serde_json::Deserializer::from_str(text);
    Problem::unfit(&serde_path_to_error::deserialize::<_, T>(read).unwrap_err(), text.as_bytes())
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read into")]
struct Sample {
    name: String,
    inner: Option<Vec<u8>>,
    most: Option<u64>,
    notes: Option<serde_json::Map<String, Value>>,
    kind: Option<Kind>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    One,
}

#[actix_web::test]
async fn a_problem_has_every_member() {
    let problem = Problem::field("email", "invalid_email", "must be an email address");
    let (response, body) = written(&problem, false).await;
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers().get("content-type").unwrap(), MEDIA_TYPE);
    assert_eq!(
        body,
        json!({
            "type": "urn:tollgate:problem:validation_failed", "title": "Unprocessable Entity",
            "status": 422, "status_code": 422, "detail": "email: must be an email address",
            "code": "validation_failed", "request_id": "r-1",
            "errors": [{"field": "email", "code": "invalid_email", "message": "must be an email address"}],
        })
    );
}

#[actix_web::test]
async fn openais_clients_find_their_error() {
    for (status, code, kind) in [
        (StatusCode::BAD_REQUEST, "malformed_request", "invalid_request_error"),
        (StatusCode::UNAUTHORIZED, "invalid_api_key", "authentication_error"),
        (StatusCode::FORBIDDEN, "permission_denied", "permission_error"),
        (StatusCode::NOT_FOUND, "model_not_found", "invalid_request_error"),
        (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota"),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "rate_limit_error"),
        (StatusCode::BAD_GATEWAY, "upstream_error", "server_error"),
    ] {
        let (_, body) = written(&Problem::new(status, code, "Said."), true).await;
        assert_eq!(body["error"], json!({"message": "Said.", "type": kind, "code": code, "param": null}));
    }
    let (_, body) = written(&Problem::field("model", "missing", "is needed"), true).await;
    assert_eq!(body["error"]["param"], "model");
}

#[actix_web::test]
async fn an_insufficient_quota_is_not_to_be_tried_again() {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "Said.");
    let (response, _) = written(&problem, true).await;
    assert_eq!(response.headers().get("x-should-retry").unwrap(), "false");
}

#[actix_web::test]
async fn every_401_says_how_to_authenticate() {
    let missing = Problem::from(crate::credentials::Unreadable::Missing);
    let (response, _) = written(&missing, false).await;
    assert_eq!(response.headers().get(WWW_AUTHENTICATE).unwrap(), r#"Bearer realm="tollgate""#);
    let wrong = Problem::from(tollgate_accounts::AccountsError::InvalidCredentials);
    let (response, _) = written(&wrong, false).await;
    assert!(response.headers().get(WWW_AUTHENTICATE).unwrap().to_str().unwrap().contains("invalid_token"));
}

#[actix_web::test]
async fn a_cause_is_for_the_log_alone() {
    let store = tollgate_store::StoreError::unavailable("password=hunter2 host=db.internal");
    let problem = Problem::from(store);
    assert!(problem.cause().unwrap().contains("hunter2"));
    let (response, body) = written(&problem, true).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    assert!(!body.to_string().contains("hunter2"));
}

#[test]
fn broken_json_is_malformed_and_other_json_does_not_validate() {
    for text in ["", "{", "{\"name\": }", "nul", "{\"name\": \"\u{1}\"}"] {
        assert_eq!(of_json::<Sample>(text).code(), "malformed_request", "{text}");
    }
    for (text, field, code) in [
        ("{}", "name", "missing"),
        ("{\"name\": 1}", "name", "wrong_type"),
        ("{\"name\": null}", "name", "wrong_type"),
        ("{\"name\": \"a\", \"other\": 1}", "other", "unknown_field"),
        ("{\"name\": \"a\", \"inner\": [1, 999]}", "inner[1]", "invalid_value"),
        ("{\"name\": \"a\", \"name\": \"b\"}", "name", "duplicate"),
        ("{\"name\": \"\\ud800\"}", "name", "invalid_value"),
        ("{\"name\": \"a\", \"inner\": [1e400]}", "inner[0]", "invalid_value"),
        ("{\"name\": \"a\", \"kind\": 1}", "kind", "wrong_type"),
        ("[]", "body", "invalid_value"),
        ("\"text\"", "body", "wrong_type"),
    ] {
        let problem = of_json::<Sample>(text);
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        let error = problem.errors.first().unwrap();
        assert_eq!((error.field.as_ref(), error.code.as_ref()), (field, code), "{text}");
        assert!(!error.message.contains("line"), "{}", error.message);
    }
}

#[test]
fn what_is_wrong_is_said_in_words_of_json() {
    let nested = |levels: usize| {
        format!("{{\"name\": \"a\", \"notes\": {}1{}}}", "{\"a\": ".repeat(levels), "}".repeat(levels))
    };
    for (text, field, code, message) in [
        (
            "{\"name\": \"a\", \"most\": -1}".to_owned(),
            "most",
            "invalid_value",
            "invalid value: integer `-1`, expected a whole number that is not negative",
        ),
        (
            "{\"name\": [], \"most\": 1}".to_owned(),
            "name",
            "wrong_type",
            "invalid type: array, expected a string",
        ),
        (
            "{\"name\": \"a\", \"notes\": []}".to_owned(),
            "notes",
            "wrong_type",
            "invalid type: array, expected an object",
        ),
        (nested(500), "notes", "too_deep", "has too many levels"),
    ] {
        let problem = of_json::<Sample>(&text);
        let error = problem.errors.first().unwrap();
        let found = (error.field.as_ref(), error.code.as_ref(), error.message.as_ref());
        assert_eq!(found, (field, code, message));
    }
}
