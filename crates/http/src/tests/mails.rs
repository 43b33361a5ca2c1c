//! What mails allow, at the edge: bad input, pages, and a database that is away.

use super::*;

const REQUESTS: [&str; 6] = [
    "/api/v1/auth/request-password-reset",
    "/api/v1/auth/password/reset",
    "/api/v1/auth/resend-verification",
    "/api/auth/request-password-reset",
    "/api/auth/password/reset",
    "/api/auth/resend-verification",
];
const USES: [&str; 6] = [
    "/api/v1/auth/reset-password",
    "/api/v1/auth/password/reset/confirm",
    "/api/v1/auth/verify-email",
    "/api/auth/reset-password",
    "/api/auth/password/reset/confirm",
    "/api/auth/verify-email",
];

#[actix_web::test]
async fn what_is_missing_or_of_another_kind_is_named() {
    let state = away::state(away::settings());
    for (paths, field) in [(REQUESTS, "email"), (USES, "token")] {
        for path in paths {
            for body in [json!({}), json!({field: null}), json!({field: 7}), json!({field: ["x"]})] {
                let answer = answer_of(&state, post(path, &body)).await;
                assert_eq!(answer.status, 422, "{path} {body}");
                let errors = answer.json()["errors"].clone();
                assert_eq!(errors[0]["field"], json!(field), "{path} {body}");
            }
        }
    }
}

#[actix_web::test]
async fn no_answer_is_a_guess_while_the_database_is_away() {
    let state = away::state(away::settings());
    let body = json!({"email": "ann@example.com", "token": "x", "new_password": "newsecurepassword"});
    for path in REQUESTS.into_iter().chain(USES) {
        let answer = answer_of(&state, post(path, &body)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (503, &json!("store_unavailable")),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[actix_web::test]
async fn pages_of_links_keep_to_themselves_what_their_address_carries() {
    let state = away::state(away::settings());
    for (page, status) in [("/reset-password", 404), ("/verify-email", 404), ("/verify-email?token=x", 503)] {
        let answer = answer_of(&state, get(page)).await;
        assert_eq!(answer.status, status, "{page}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert!(answer.header("content-type").starts_with("text/html"));
    }
}
