//! The example's service, against a Tollgate that misbehaves as it is told.

use std::time::Duration;

use crate::{
    example,
    fake::{Fake, Reply, refused, valid},
};
use actix_web::{App, HttpServer};
use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_client::{Guard, Settings};
use tollgate_testkit::{Answer, Client};

const KEY: &str = "a-key-that-was-imported";

/// The service on a port of its own.
async fn start(fake: &Fake, timeout: Duration) -> Client {
    let settings = Settings {
        timeout,
        cache: Duration::ZERO,
        ..Settings::new(fake.url(), SecretString::from("the-service-s-own-key"))
    };
    let guard = Guard::new(settings).expect("these settings are good");
    let server = HttpServer::new(move || {
        let guard = guard.clone();
        App::new().configure(|config| example::register(config, guard))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    Client::new(&url)
}

async fn patient(fake: &Fake) -> Client {
    start(fake, Duration::from_secs(30)).await
}

fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{answer:?}");
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    problem
}

#[actix_web::test]
async fn callers_are_asked_about_and_admitted() {
    let fake = Fake::start(Reply::Json(200, valid()));
    let service = patient(&fake).await;
    assert_eq!(service.get("/healthz").await.status, 200);
    assert_eq!(fake.asked().len(), 0);

    let quote = service.bearer(KEY).get("/quotes/AAPL").await;
    assert_eq!(quote.status, 200, "{quote:?}");
    assert_eq!(quote.json()["asked_by"], "0193a0b0c0d07000800000000000000a");
    let report = service.with_header("x-api-key", KEY).post_json("/reports", &json!({})).await;
    assert_eq!((report.status, &report.json()["tokens_left"]), (200, &json!(60)));

    let asked = fake.asked();
    let question = json!({"key": KEY, "permission": "services:quotes", "ip": "127.0.0.1"});
    assert_eq!(asked[0].body, question);
    let question = json!({"key": KEY, "permission": "services:reports", "ip": "127.0.0.1", "cost": 25});
    assert_eq!(asked[1].body, question);
    assert_eq!(asked.len(), 2);
}

#[actix_web::test]
async fn a_refusal_has_the_gates_status() {
    let fake = Fake::start(Reply::Json(200, valid()));
    let service = patient(&fake).await;
    for (code, retry_after, status) in [
        ("key_revoked", None, 401),
        ("permission_denied", None, 403),
        ("rate_limit_exceeded", Some(17), 429),
        ("insufficient_quota", Some(86_400), 429),
        ("a_code_of_next_year", None, 403),
    ] {
        fake.reply(Reply::Json(200, refused(code, retry_after)));
        for answer in [
            service.bearer(KEY).get("/quotes/AAPL").await,
            service.bearer(KEY).post_json("/reports", &json!({})).await,
        ] {
            let problem = problem(&answer, status, code);
            assert_eq!(problem["detail"], format!("No: {code}."));
            let told =
                answer.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
            assert_eq!(told, retry_after);
        }
    }
}

#[actix_web::test]
async fn what_is_no_credential_is_refused_without_asking() {
    let fake = Fake::start(Reply::Json(200, valid()));
    let service = patient(&fake).await;
    problem(&service.get("/quotes/AAPL").await, 401, "missing_credentials");
    let both = service.bearer("a").with_header("x-api-key", "b").get("/quotes/AAPL").await;
    problem(&both, 400, "ambiguous_credentials");
    let basic = service.with_header("authorization", "Basic dXNlcg==").get("/quotes/AAPL").await;
    problem(&basic, 401, "invalid_credentials");
    problem(&service.bearer("sk_live_tg_mistyped").get("/quotes/AAPL").await, 401, "invalid_api_key");
    assert_eq!(fake.asked().len(), 0);
}

#[actix_web::test]
async fn nobody_is_admitted_while_tollgate_cannot_be_asked() {
    let mut fake = Fake::start(Reply::Json(200, valid()));
    let service = patient(&fake).await;
    assert_eq!(service.bearer(KEY).get("/quotes/AAPL").await.status, 200);
    let garbage = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nyes!".to_vec();
    for reply in [
        Reply::Close,
        Reply::Bytes(garbage),
        Reply::Bytes(b"\x16\x03\x01".to_vec()),
        Reply::Json(500, valid()),
        Reply::Json(503, valid()),
        Reply::Json(401, valid()),
        Reply::Json(403, valid()),
        Reply::Json(302, valid()),
    ] {
        fake.reply(reply);
        let before = fake.asked().len();
        let report = service.bearer(KEY).post_json("/reports", &json!({})).await;
        problem(&report, 503, "verification_unavailable");
        assert_eq!(fake.asked().len(), before + 1, "a charge is sent once");
        let quote = service.bearer(KEY).get("/quotes/AAPL").await;
        let problem = problem(&quote, 503, "verification_unavailable");
        assert!(
            !problem.to_string().contains("keys:verify"),
            "what is wrong here is not the caller's business"
        );
    }
    fake.stop();
    problem(&service.bearer(KEY).get("/quotes/AAPL").await, 503, "verification_unavailable");
    let closed = service.bearer(KEY).post_json("/reports", &json!({})).await;
    problem(&closed, 503, "verification_unavailable");
    assert_eq!(closed.headers["retry-after"], "1");

    fake.start_again(Reply::Json(200, valid()));
    assert_eq!(service.bearer(KEY).get("/quotes/AAPL").await.status, 200);
}

#[actix_web::test]
async fn a_tollgate_that_hangs_admits_nobody() {
    let fake = Fake::start(Reply::Held(valid()));
    let service = start(&fake, Duration::from_millis(200)).await;
    problem(&service.bearer(KEY).get("/quotes/AAPL").await, 503, "verification_unavailable");
    let report = service.bearer(KEY).post_json("/reports", &json!({})).await;
    problem(&report, 503, "verification_unavailable");
    assert!(fake.asked().len() <= 2, "nothing is asked twice");
    fake.release();
    // Once it answers, whoever asks again is admitted.
    while service.bearer(KEY).get("/quotes/AAPL").await.status != 200 {}
}
