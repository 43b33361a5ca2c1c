//! What is answered before there is a database.

use std::sync::Arc;

use actix_web::{
    body::to_bytes,
    http::StatusCode,
    test::{TestRequest, call_service, init_service},
};
use serde_json::json;

use super::{Answer, away, get, post, status};
use crate::{
    Readiness, Severity,
    problem::MEDIA_TYPE,
    server,
    waiting::{self, Waiting, app},
};

fn waiting() -> Waiting {
    let state = away::state(away::settings());
    Waiting {
        readiness: Arc::new(Readiness::default()),
        clock: state.clock,
        random: state.random,
        settings: state.settings,
    }
}

async fn answer_of(waiting: &Waiting, request: TestRequest) -> Answer {
    let service = init_service(app(waiting)).await;
    let response = call_service(&service, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body()).await.unwrap();
    Answer { status, headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
}

#[actix_web::test]
async fn it_lives_and_is_not_ready() {
    let waiting = waiting();
    assert_eq!(answer_of(&waiting, get("/healthz")).await.json(), json!({"status": "ok"}));
    assert_eq!(answer_of(&waiting, get("/")).await.json()["name"], "tollgate");
    let ready = answer_of(&waiting, get("/readyz")).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json(), json!({"status": "unavailable", "failing": ["starting"]}));
    waiting.readiness.fails("database", Severity::Stopping);
    let ready = answer_of(&waiting, get("/readyz")).await;
    assert_eq!(ready.json(), json!({"status": "unavailable", "failing": ["starting", "database"]}));
    assert!(ready.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[actix_web::test]
async fn everything_else_is_to_be_asked_again() {
    let waiting = waiting();
    let chat = json!({"model": "echo", "messages": []});
    for (request, openai) in [
        (post("/v1/chat/completions", &chat), true),
        (post("/api/v1/auth/login", &json!({})), false),
        (post("/readyz", &json!({})), false),
        (get("/metrics"), false),
        (get("/nothing"), false),
    ] {
        let answer = answer_of(&waiting, request.insert_header(("x-request-id", "mine"))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("content-type"), MEDIA_TYPE);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("x-request-id"), "mine");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let body = answer.json();
        assert_eq!(
            (body["code"].as_str(), body["request_id"].as_str()),
            (Some("store_unavailable"), Some("mine"))
        );
        assert_eq!(body.get("error").is_some(), openai);
    }
}

#[actix_web::test]
async fn the_socket_is_handed_over() {
    let listeners = server::listen(&away::settings()).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let copies = listeners.iter().map(|listener| listener.try_clone().unwrap()).collect();
    // Somebody may have connected before anything served.
    let early = actix_web::rt::spawn(status(address, "/docs"));
    let answering = waiting::run(waiting(), copies).unwrap();
    assert_eq!(early.await.unwrap(), 503);
    assert_eq!(status(address, "/docs").await, 503);
    let serving = server::run(away::state(away::settings()), listeners, || ()).unwrap();
    answering.end().await;
    // From here on nobody is told to come again.
    for _ in 0..20 {
        assert_eq!(status(address, "/docs").await, 302);
    }
    serving.end().await.unwrap();
}
