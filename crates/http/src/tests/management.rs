//! How often a user calls outside the gate.

use std::sync::Arc;

use tollgate_domain::Permissions;

use super::*;
use crate::ManagementCalls;

#[actix_web::test]
async fn a_user_calls_so_often_a_minute_whatever_is_called() {
    let told = away::Told::Held(Permissions::from_text("keys:manage,chat").unwrap());
    let state =
        State { management: Arc::new(ManagementCalls::new(3)), ..away::telling(told, away::settings()) };
    let ask = |path| {
        let state = state.clone();
        async move { answer_of(&state, get(path).insert_header(("x-api-key", UNKNOWN_KEY))).await }
    };
    for path in ["/api/v1/auth/sessions", "/api/auth/me", "/api/v1/auth/vscode-config"] {
        assert_eq!(ask(path).await.status, 403, "{path}");
    }
    for path in ["/api/v1/auth/sessions", "/api/v1/keys", "/api/v1/usage/stats"] {
        let refused = ask(path).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (429, &json!("rate_limit_exceeded")));
        assert_eq!(refused.header("retry-after"), "60");
    }
    // Whoever is nobody is told so, and what asks for nobody is answered.
    assert_eq!(answer_of(&state, get("/api/v1/auth/sessions")).await.status, 401);
    assert_eq!(answer_of(&state, get("/healthz")).await.status, 200);
}
