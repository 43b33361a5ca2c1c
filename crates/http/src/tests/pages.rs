//! Pages: who sees them, and whose forms are taken.

use std::sync::Arc;

use chrono::TimeDelta;
use tollgate_accounts::AccountsSettings;
use tollgate_domain::{Permissions, Session, SessionId, Time};
use tollgate_store::{Directory, StoreError, Stores, WebSessionStore};

use super::*;

/// A cookie of the right form.
const COOKIE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OTHER: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
const CODE: &str = "WDJB-MJHT";
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Every cookie stands for the same session.
struct SignedIn;

impl WebSessionStore for SignedIn {
    fn open(&self, _: &[u8; 32], _: SessionId, _: Time) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn by_hash(&self, _: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        let user = away::user();
        let created_at: Time = "2026-11-21T11:00:00Z".parse().unwrap();
        Ok(Some(Session {
            id: user.id.as_uuid().into(),
            user_id: user.id,
            created_at,
            expires_at: created_at + TimeDelta::days(7),
            ended_at: None,
            ip: None,
            user_agent: None,
        }))
    }
}

/// A server on which somebody is signed in, and whose devices are away.
fn at(public_url: &str) -> State {
    let told = away::Told::Held(Permissions::defaults());
    let stores = Stores { web_sessions: Arc::new(SignedIn), ..away::stores(told) };
    let accounts = AccountsSettings { public_url: public_url.to_owned(), ..away::accounts_settings() };
    let (clock, random) = (Arc::new(away::Fixed), Arc::new(away::Fixed));
    let directory = Arc::new(Directory::new(1 << 20));
    away::decided(accounts, stores, directory, clock, random, away::settings(), |accounts| accounts)
}

fn signed_in() -> State {
    at("http://localhost:8000")
}

fn with(request: TestRequest, cookie: &str) -> TestRequest {
    request.insert_header(("cookie", format!("tollgate={cookie}")))
}

fn form(path: &str, fields: &[(&str, &str)]) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("sec-fetch-site", "same-origin")).set_form(fields)
}

fn assert_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("content-security-policy"), POLICY);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "strict-origin");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[actix_web::test]
async fn who_is_not_signed_in_does_that_first_and_comes_back() {
    let state = away::state(away::settings());
    for (path, location) in [
        ("/device", "/sign-in?next=/device"),
        ("/device?user_code=wdjbmjht", "/sign-in?next=/device%3Fuser_code%3DWDJB-MJHT"),
        ("/device?user_code=//evil.example", "/sign-in?next=/device"),
    ] {
        for cookie in ["", "x", "tollgate=short", "tollgate=", "other=1"] {
            let answer = answer_of(&state, get(path).insert_header(("cookie", cookie))).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, location), "{cookie}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    // Nobody is sent away because the database is.
    let answer = answer_of(&state, with(get("/device"), COOKIE)).await;
    assert_page(&answer, 503);
    assert!(!answer.body.contains("hunter2"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[actix_web::test]
async fn a_page_is_made_here_and_says_what_was_typed_as_text() {
    let answer = answer_of(&signed_in(), with(get("/device"), COOKIE)).await;
    assert_page(&answer, 200);
    assert!(!answer.body.contains("<script") && !answer.body.contains("style="), "{}", answer.body);
    let typed = "/device?user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let answer = answer_of(&signed_in(), with(get(typed), COOKIE)).await;
    assert_page(&answer, 422);
    assert!(answer.body.contains("&quot;&gt;&lt;script&gt;"), "{}", answer.body);
}

#[actix_web::test]
async fn browsers_come_back_by_tls_where_the_public_url_is_of_it() {
    for path in ["/sign-in", "/device", "/healthz", "/api/v1/auth/me", "/nowhere"] {
        let answer = answer_of(&at("https://gate.example"), get(path)).await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
        assert_eq!(
            answer_of(&signed_in(), get(path)).await.header("strict-transport-security"),
            "",
            "{path}"
        );
    }
}

#[actix_web::test]
async fn a_form_of_somebody_elses_is_refused() {
    let state = signed_in();
    let own = state.accounts.form_token(COOKIE);
    let others = state.accounts.form_token(OTHER);
    let fields = |token: &str| {
        vec![("form_token", token.to_owned()), ("user_code", CODE.into()), ("decision", "approve".into())]
    };
    let send = |token: &str| with(TestRequest::post().uri("/device").set_form(fields(token)), COOKIE);
    for token in ["", "x", &others, &own[..42], &format!("{own}="), COOKIE] {
        let answer = answer_of(&state, send(token).insert_header(("sec-fetch-site", "same-origin"))).await;
        assert_page(&answer, 403);
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("referer", "https://evil.example/http://localhost:8000"),
        ("x-nothing", "said"),
    ] {
        assert_page(&answer_of(&state, send(&own).insert_header((name, value))).await, 403);
    }
    // Ours gets as far as the store, which is away.
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://localhost:8000"),
        ("referer", "http://localhost:8000/"),
    ] {
        assert_page(&answer_of(&state, send(&own).insert_header((name, value))).await, 503);
    }
    // Without its cookie, a token is worth nothing.
    let bare = TestRequest::post().uri("/device").set_form(fields(&own));
    assert_page(&answer_of(&state, bare.insert_header(("sec-fetch-site", "same-origin"))).await, 403);
}

#[actix_web::test]
async fn every_form_asks_for_its_token() {
    let state = signed_in();
    for (path, fields) in [
        ("/device", vec![("user_code", CODE), ("decision", "deny")]),
        ("/sign-out", vec![]),
        ("/sign-in", vec![("email", "ann@example.com"), ("password", "testpass123")]),
    ] {
        let answer = answer_of(&state, with(form(path, &fields), COOKIE)).await;
        assert_page(&answer, 422);
        let wrong = [fields, vec![("form_token", OTHER)]].concat();
        assert_page(&answer_of(&state, with(form(path, &wrong), COOKIE)).await, 403);
        let text = with(TestRequest::post().uri(path), COOKIE)
            .insert_header(("sec-fetch-site", "same-origin"))
            .insert_header(("content-type", "text/plain"))
            .set_payload("form_token=x");
        assert_page(&answer_of(&state, text).await, 415);
        let long = "x".repeat(2_000);
        assert_page(&answer_of(&state, with(form(path, &[("form_token", &long)]), COOKIE)).await, 413);
    }
}

#[actix_web::test]
async fn the_form_for_signing_in_is_bound_to_a_cookie_of_its_own() {
    let state = away::state(away::settings());
    let page = answer_of(&state, get("/sign-in")).await;
    assert_page(&page, 200);
    let set = page.header("set-cookie").to_owned();
    assert!(set.starts_with("tollgate-form="), "{set}");
    assert!(set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "{set}");
    let cookie = set.split([';', '=']).nth(1).unwrap();
    let token = state.accounts.form_token(cookie);
    assert!(page.body.contains(&token));
    let fields = [("form_token", token.as_str()), ("email", "ann@example.com"), ("password", "testpass123")];
    // A session's cookie is another.
    assert_page(&answer_of(&state, with(form("/sign-in", &fields), cookie)).await, 403);
    let ours = || form("/sign-in", &fields).insert_header(("cookie", format!("tollgate-form={cookie}")));
    let answer = answer_of(&state, ours()).await;
    assert_page(&answer, 503);
    assert!(!answer.body.contains("hunter2") && !answer.body.contains("testpass123"));
    // The same cookie goes on: another window may show its form.
    assert_eq!(answer.header("set-cookie"), set);
    let cross = ours().insert_header(("sec-fetch-site", "cross-site"));
    assert_page(&answer_of(&state, cross).await, 403);
}

#[actix_web::test]
async fn over_tls_cookies_are_this_hosts_alone() {
    let state = at("https://gate.example");
    let set = answer_of(&state, get("/sign-in")).await.header("set-cookie").to_owned();
    assert!(set.starts_with("__Host-tollgate-form=") && set.ends_with("; SameSite=Lax; Secure"), "{set}");
    let read = |name: &str| get("/device").insert_header(("cookie", format!("{name}={COOKIE}")));
    assert_page(&answer_of(&state, read("__Host-tollgate")).await, 200);
    assert_eq!(answer_of(&state, read("tollgate")).await.status, 303);
    let out = [("form_token", &*state.accounts.form_token(COOKIE))];
    let out = form("/sign-out", &out).insert_header(("cookie", format!("__Host-tollgate={COOKIE}")));
    // Its end could not be written; whoever is signed in stays so.
    let answer = answer_of(&state, out).await;
    assert_page(&answer, 503);
    assert_eq!(answer.header("set-cookie"), "");
}

#[actix_web::test]
async fn a_cookie_is_no_credential_of_the_api() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let state = signed_in();
    assert_page(&answer_of(&state, with(get("/device"), COOKIE)).await, 200);
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let secured = item.as_object().unwrap().iter().filter(|(_, one)| one.get("security").is_some());
        for (method, _) in secured.filter(|_| !is_gated(path)) {
            for site in ["same-origin", "cross-site"] {
                let request = with(any(&method.to_uppercase(), path), COOKIE);
                let answer = answer_of(&state, request.insert_header(("sec-fetch-site", site))).await;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
                assert_eq!(answer.json()["code"], "missing_credentials", "{method} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked > 20, "{asked}");
}

#[actix_web::test]
async fn two_cookies_of_a_name_are_none() {
    let request = get("/device").insert_header(("cookie", format!("tollgate={COOKIE}; tollgate={OTHER}")));
    assert_eq!(answer_of(&signed_in(), request).await.status, 303);
}
