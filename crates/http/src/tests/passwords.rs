//! Changing the password, and what happens when too many wait for a hash.

use std::sync::mpsc::sync_channel;

use tollgate_domain::Permissions;
use tollgate_gate::Blocking;

use super::*;

/// Jobs that may wait for a hash.
const WAITING: usize = 256;
const PATHS: [&str; 4] = [
    "/api/v1/auth/change-password",
    "/api/v1/auth/password/change",
    "/api/auth/change-password",
    "/api/auth/password/change",
];

#[actix_web::test]
async fn a_password_is_changed_with_an_access_token_only() {
    let told = away::Told::Held(Permissions::from_text("keys:manage,chat").unwrap());
    let state = away::telling(told, away::settings());
    for path in PATHS {
        for body in [json!({}), json!({"old_password": "testpass123", "new_password": "newsecurepassword"})] {
            let answer = answer_of(&state, post(path, &body).insert_header(("x-api-key", UNKNOWN_KEY))).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (403, &json!("permission_denied")));
            let answer = answer_of(&state, post(path, &body)).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["code"]),
                (401, &json!("missing_credentials"))
            );
        }
    }
}

#[actix_web::test]
async fn with_256_waiting_for_a_hash_the_next_is_refused_at_once() {
    let state = away::state(away::settings());
    let (let_go, go) = sync_channel::<()>(1);
    let (begun, has_begun) = sync_channel(1);
    assert!(state.pools.hash.submit(Box::new(move || {
        begun.send(()).unwrap();
        go.recv().unwrap_or_default();
    })));
    has_begun.recv().unwrap();
    for _ in 0..WAITING {
        assert!(state.pools.hash.submit(Box::new(|| ())));
    }
    assert!(!state.pools.hash.submit(Box::new(|| ())));
    let user = json!({"email": "user@example.com", "password": "SecurePassword123!"});
    for path in ["/api/v1/auth/login", "/api/v1/auth/register", "/api/auth/login", "/api/auth/register"] {
        let answer = answer_of(&state, post(path, &user)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("overloaded")), "{path}");
        assert!(!answer.header("retry-after").is_empty());
    }
    // What hashes nothing goes on.
    let refresh = answer_of(&state, post("/api/v1/auth/refresh", &json!({"refresh_token": ""}))).await;
    assert_eq!(refresh.status, 401);
    // And so does the rest, once there is room: the database is away, which is another answer.
    drop(let_go);
    while state.pools.hash.run(|| ()).await.is_err() {}
    let answer = answer_of(&state, post("/api/v1/auth/login", &user)).await;
    assert_eq!(answer.json()["code"], "store_unavailable");
}
