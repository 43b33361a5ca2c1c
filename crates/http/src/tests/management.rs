//! How often a user calls outside the gate.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tollgate_domain::{Clock, Permissions};

use super::{house::House, *};
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

#[actix_web::test]
async fn what_shows_the_user_otherwise_than_by_a_header_counts_too() {
    let mut house = House::new();
    let logged_in = house.user("ann@example.com");
    let refresh_token = house::refresh(&logged_in).to_owned();
    let for_page = house.user("bob@example.com");
    let cookie = house.state.accounts.open_web_session(&for_page).unwrap();
    house.state.management = Arc::new(ManagementCalls::new(2));

    let refresh = |token: String| {
        let request = any("POST", "/api/v1/auth/refresh").set_json(json!({ "refresh_token": token }));
        house.answer(request)
    };
    // A lost answer is asked for once more, and both count.
    for _ in 0..2 {
        assert_eq!(refresh(refresh_token.clone()).await.status, 200);
    }
    let refused = refresh(refresh_token.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (429, &json!("rate_limit_exceeded")));
    assert_eq!(refresh("nobody's".to_owned()).await.status, 401);
    // Whoever holds a token of a session that is over cannot use up what its user may do.
    let stores = &house.state.accounts.stores;
    stores.sessions.end_all(logged_in.user.id, house.clock.now(), &[]).unwrap();
    assert_eq!(refresh(refresh_token).await.status, 401);

    let open = || {
        let request =
            get("/device").insert_header(("cookie", format!("tollgate={}", cookie.expose_secret())));
        house.answer(request)
    };
    for _ in 0..2 {
        assert_eq!(open().await.status, 200);
    }
    let refused = open().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "60"));
}
