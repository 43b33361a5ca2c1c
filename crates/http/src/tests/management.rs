//! How often a user calls outside the gate.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tollgate_accounts::{Actor, Client, key::KeyWish};
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

#[actix_web::test]
async fn who_has_stolen_a_key_does_not_keep_its_owner_from_revoking_it() {
    let mut house = House::new();
    let logged_in = house.user("ann@example.com");
    let owner =
        Actor { user: Arc::clone(&logged_in.user), key: None, session: None, client: Client::default() };
    let wish = KeyWish { name: "stolen".into(), ..KeyWish::default() };
    let stolen = house.state.accounts.create_key(&owner, &wish).unwrap();
    house.state.management = Arc::new(ManagementCalls::new(2));

    let by_thief = || house.with("GET", "/api/v1/keys", stolen.secret.expose());
    for _ in 0..2 {
        assert_eq!(by_thief().await.status, 403);
    }
    assert_eq!(by_thief().await.status, 429);
    let token = house::access(&logged_in);
    assert_eq!(house.with("GET", "/api/v1/keys", token).await.status, 200);
    let path = format!("/api/v1/keys/{}", stolen.key.id);
    assert_eq!(house.with("DELETE", &path, token).await.status, 204);
    assert_eq!(by_thief().await.status, 401);
    assert_eq!(house.with("GET", "/api/v1/keys", token).await.status, 429);
}

#[actix_web::test]
async fn a_key_ends_itself_however_often_it_was_used_to_call() {
    let mut house = House::new();
    let logged_in = house.user("ann@example.com");
    let owner =
        Actor { user: Arc::clone(&logged_in.user), key: None, session: None, client: Client::default() };
    let elsewhere = Some(vec!["198.51.100.0/24".into()]);
    let wish = KeyWish { name: "leaked".into(), allowed_ips: elsewhere, ..KeyWish::default() };
    let leaked = house.state.accounts.create_key(&owner, &wish).unwrap();
    house.state.management = Arc::new(ManagementCalls::new(1));
    let call = |method, path| house.with(method, path, leaked.secret.expose());
    // From where it may not be used, it uses nothing up either.
    for _ in 0..2 {
        let refused = call("GET", "/api/v1/keys").await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("ip_not_allowed")));
    }
    assert_eq!(call("POST", "/api/v1/keys/self/revoke").await.status, 204);
    let over = call("POST", "/api/v1/keys/self/revoke").await;
    assert_eq!((over.status.as_u16(), &over.json()["code"]), (401, &json!("key_revoked")));
}
