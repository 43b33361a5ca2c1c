//! Second factors: what the calls take, and what is said where one is asked for.

use tollgate_accounts::AccountsError;
use tollgate_domain::Permissions;

use super::*;
use crate::problem::Problem;

const OWN: [&str; 4] = ["setup", "enable", "disable", "backup-codes"];
const VERIFY: &str = "/api/v1/auth/2fa/verify";

#[actix_web::test]
async fn a_second_factor_is_managed_with_an_access_token_only() {
    let told = away::Told::Held(Permissions::from_text("keys:manage,chat").unwrap());
    let state = away::telling(told, away::settings());
    for path in OWN {
        for prefix in ["/api/v1/auth/2fa/", "/api/auth/2fa/"] {
            let path = format!("{prefix}{path}");
            let body = json!({"password": "testpass123", "code": "123456"});
            let answer =
                answer_of(&state, post(&path, &body).insert_header(("x-api-key", UNKNOWN_KEY))).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (403, &json!("permission_denied")));
            let answer = answer_of(&state, post(&path, &body)).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["code"]),
                (401, &json!("missing_credentials"))
            );
        }
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_code_to_verify_is_named() {
    for (body, field, code) in [
        (json!({}), "mfa_token", "missing"),
        (json!({"mfa_token": "x"}), "code", "missing"),
        (json!({"mfa_token": "x", "code": null}), "code", "wrong_type"),
        (json!({"mfa_token": "x", "code": 123_456}), "code", "wrong_type"),
        (json!({"mfa_token": ["x"], "code": "123456"}), "mfa_token", "wrong_type"),
        (json!(["x"]), "body", "wrong_type"),
    ] {
        for path in [VERIFY, "/api/auth/2fa/verify"] {
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
        .uri(VERIFY)
        .insert_header(("content-type", "application/json"))
        .set_payload(r#"{"mfa_token": "a", "code": "1", "code": "2"}"#);
    let twice = answer(twice).await;
    assert_eq!((twice.status.as_u16(), &twice.json()["errors"][0]["code"]), (422, &json!("duplicate")));
    let form = TestRequest::post().uri(VERIFY).set_form([("mfa_token", "x"), ("code", "123456")]);
    assert_eq!(answer(form).await.status, 415);
    let long = answer(post(VERIFY, &json!({"mfa_token": "x", "code": "1".repeat(1 << 20)}))).await;
    assert_eq!((long.status.as_u16(), &long.json()["code"]), (413, &json!("payload_too_large")));
}

#[actix_web::test]
async fn what_cannot_be_an_mfa_token_is_refused_and_nobody_is_asked() {
    // The database is away: whoever asked it would answer 503.
    let none = answer(post(VERIFY, &json!({"mfa_token": "", "code": "123456"}))).await;
    assert_eq!((none.status.as_u16(), &none.json()["code"]), (401, &json!("invalid_credentials")));
    assert_eq!(none.header("cache-control"), "no-store");
    let some = answer(post(VERIFY, &json!({"mfa_token": "secret-1", "code": "123456"}))).await;
    assert_eq!((some.status.as_u16(), &some.json()["code"]), (503, &json!("store_unavailable")));
    assert!(!some.body.contains("secret-1"));
}

#[actix_web::test]
async fn who_is_asked_for_the_second_factor_is_given_what_stands_for_the_first() {
    let problem = Problem::from(AccountsError::MfaRequired { mfa_token: "token-1".into() });
    assert_eq!((problem.status().as_u16(), problem.code()), (401, "mfa_required"));
    assert!(!format!("{problem:?} {problem}").contains("token-1"));
    let answer = actix_web::ResponseError::error_response(&problem);
    let body: Value = serde_json::from_slice(&to_bytes(answer.into_body()).await.unwrap()).unwrap();
    assert_eq!(body["mfa_token"], "token-1");
    for other in [AccountsError::WrongCode, AccountsError::InvalidMfaToken, AccountsError::InvalidCredentials]
    {
        let problem = Problem::from(other);
        assert_eq!((problem.status().as_u16(), problem.code()), (401, "invalid_credentials"));
        let answer = actix_web::ResponseError::error_response(&problem);
        let body: Value = serde_json::from_slice(&to_bytes(answer.into_body()).await.unwrap()).unwrap();
        assert_eq!(body.get("mfa_token"), None);
    }
}
