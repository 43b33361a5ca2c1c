//! The edge as a whole, over a database that is away.

mod anonymous;
mod away;
mod broken;
mod devices;
mod forgeries;
mod head;
mod house;
mod idempotency;
#[cfg(target_os = "linux")]
mod listen;
mod mails;
mod management;
mod order;
mod pages;
mod passwords;
mod second_factor;
mod sessions;
mod verify;
mod waiting;

use actix_web::{
    body::to_bytes,
    http::{Method, StatusCode, header},
    test::{TestRequest, call_service, init_service},
};
use serde_json::{Value, json};

use crate::{HttpSettings, MetricsAccess, State, openapi, problem::MEDIA_TYPE, routes, server::app};

/// A key of the right form that nobody made.
const UNKNOWN_KEY: &str = "qwen-0123456789";

struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

async fn answer_of(state: &State, request: TestRequest) -> Answer {
    let service = init_service(app(state)).await;
    let response = call_service(&service, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body()).await.unwrap();
    Answer { status, headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn answer(request: TestRequest) -> Answer {
    answer_of(&away::state(away::settings()), request).await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).peer_addr("203.0.113.9:1".parse().unwrap())
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

fn any(method: &str, path: &str) -> TestRequest {
    get(&path.replace("{id}", "01234567890123456789012345678901")).method(method.parse::<Method>().unwrap())
}

/// Whether a route is the gate's, which needs a worker's line.
fn is_gated(path: &str) -> bool {
    path.starts_with("/v1/") || path.ends_with("/llm/completion")
}

#[actix_web::test]
async fn every_route_that_needs_credentials_says_so_under_every_name() {
    let secured: Vec<_> = serde_json::to_value(openapi::document()).unwrap()["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            let secured = operations.filter(|(_, operation)| operation.get("security").is_some());
            secured.map(move |(method, _)| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let documented = openapi::operations(openapi::document());
    let state = away::state(away::settings());
    for (method, path) in routes::mounted().into_iter().filter(|(_, path)| !is_gated(path)) {
        let answer = answer_of(&state, any(&method, &path)).await;
        let is_alias = !documented.contains(&(method.clone(), path.clone()));
        let first_name = routes::GROUPS
            .iter()
            .flat_map(|group| group.aliases.iter().map(move |alias| (*alias, group.prefix)))
            .filter(|(alias, _)| is_alias && path.starts_with(alias))
            .max_by_key(|(alias, _)| alias.len())
            .map_or_else(|| path.clone(), |(alias, prefix)| path.replacen(alias, prefix, 1));
        let needs = secured.contains(&(method.clone(), first_name));
        assert_eq!(answer.status == StatusCode::UNAUTHORIZED, needs, "{method} {path}: {}", answer.body);
        // A page says of a link that is no good that it is not there.
        let is_page = answer.header("content-type").starts_with("text/html");
        assert!(is_page || ![404, 405].contains(&answer.status.as_u16()), "{method} {path} is not served");
        if needs {
            assert_eq!(answer.json()["code"], "missing_credentials", "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"tollgate\"");
        }
    }
}

#[actix_web::test]
async fn a_path_that_is_none_is_a_problem() {
    for path in
        ["/nothing", "/api/v1/auth/nothing", "/api/v1", "/v1/nothing", "/admin", "/%ff", "/api/v1/keys/a/b"]
    {
        let answer = answer(get(path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), MEDIA_TYPE);
        let body = answer.json();
        assert_eq!(body["code"], "not_found");
        assert_eq!(body["request_id"], answer.header("x-request-id"));
        assert_eq!(body.get("error").is_some(), path.starts_with("/v1/"), "{path}");
    }
}

#[actix_web::test]
async fn another_method_is_told_which_are_taken() {
    for (method, path, allowed) in [
        ("PUT", "/api/keys", "GET, HEAD, POST"),
        ("HEAD", "/api/v1/auth/login", "POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("DELETE", "/docs/", "GET, HEAD"),
        ("PUT", "/docs/index.html", "GET, HEAD"),
    ] {
        let answer = answer(any(method, path)).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.json()["code"], "method_not_allowed");
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
}

#[actix_web::test]
async fn request_ids_are_kept_where_plain() {
    let kept = answer(get("/healthz").insert_header(("x-request-id", "my.id-1"))).await;
    assert_eq!(kept.header("x-request-id"), "my.id-1");
    let made = answer(get("/healthz").insert_header(("x-request-id", "a b"))).await;
    assert_eq!(made.header("x-request-id").len(), 32);
}

#[actix_web::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/healthz", "/nothing", "/api/v1/auth/me", "/docs/", "/openapi.json"] {
        let answer = answer(get(path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
    assert_eq!(answer(get("/api/v1/auth/me")).await.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn bodies_are_judged_before_anything_is_done() {
    let register = "/api/v1/auth/register";
    let text = |kind: &'static str, body: String| {
        TestRequest::post().uri(register).insert_header(("content-type", kind)).set_payload(body)
    };
    let long = format!("{{\"email\": \"{}\"}}", "a".repeat(2_000));
    for (request, status, code) in [
        (text("application/json", "{".into()), 400, "malformed_request"),
        (text("application/json", String::new()), 400, "malformed_request"),
        (text("application/json", "[".repeat(1_000)), 400, "malformed_request"),
        (text("text/plain", "{}".into()), 415, "unsupported_media_type"),
        (text("application/x-www-form-urlencoded", "a=b".into()), 415, "unsupported_media_type"),
        (text("application/json", long), 413, "payload_too_large"),
        (text("application/json", "{}".into()), 422, "validation_failed"),
        (post(register, &json!({"email": 1, "password": "x"})), 422, "validation_failed"),
    ] {
        let answer = answer(request).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str().unwrap()), (status, code));
    }
}

#[actix_web::test]
async fn all_that_is_wrong_with_a_registration_is_named_at_once() {
    let wish = json!({"email": "no address", "password": "short", "confirm_password": "other", "name": ""});
    let body = answer(post("/api/auth/register", &wish)).await.json();
    let named: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(named, ["email", "password", "confirm_password", "name"]);
}

#[actix_web::test]
async fn a_database_that_is_away_is_503_and_tells_nothing() {
    let user = json!({"email": "user@example.com", "password": "SecurePassword123!"});
    for request in [
        post("/api/v1/auth/register", &user),
        post("/api/v1/auth/login", &user),
        post("/api/v1/auth/refresh", &json!({"refresh_token": "x"})),
        TestRequest::post()
            .uri("/api/auth/login")
            .set_form([("username", "a@b.de"), ("password", "testpass123")]),
        get("/api/v1/keys").insert_header(("x-api-key", UNKNOWN_KEY)),
        get("/api/v1/auth/usage/stats").insert_header(("authorization", format!("Bearer {UNKNOWN_KEY}"))),
    ] {
        let answer = answer(request).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.json()["code"], "store_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.body.contains("hunter2") && !answer.body.contains("db.internal"));
    }
}

#[actix_web::test]
async fn bad_credentials_are_told_apart() {
    let me = "/api/v1/auth/me";
    let mistyped = "sk_live_tg_0000000000000000000000000000000000";
    for (request, status, code) in [
        (get(me), 401, "missing_credentials"),
        (get(me).insert_header(("authorization", "Basic eDp5")), 401, "invalid_credentials"),
        (get(me).insert_header(("authorization", "Bearer eyJ.eyJ.x")), 401, "invalid_credentials"),
        (get(me).insert_header(("x-api-key", mistyped)), 401, "invalid_api_key"),
        (
            get(me).insert_header(("x-api-key", "a")).insert_header(("authorization", "Bearer b")),
            400,
            "ambiguous_credentials",
        ),
        (get(me).insert_header(("authorization", b"Bearer \xff".as_slice())), 400, "malformed_request"),
    ] {
        let answer = answer(request).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str().unwrap()), (status, code));
        assert!(!answer.body.contains(mistyped), "a credential is told back");
    }
}

#[actix_web::test]
async fn it_says_what_it_is_and_whether_it_is_ready() {
    let state = away::state(away::settings());
    let root = answer_of(&state, get("/")).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(root.json(), json!({"name": "tollgate", "version": version, "authentication": "enabled"}));
    let browser = answer_of(&state, get("/").insert_header(("accept", "text/html,*/*"))).await;
    assert_eq!((browser.status.as_u16(), browser.header("location")), (302, "/docs/"));
    assert_eq!(answer_of(&state, get("/healthz")).await.json(), json!({"status": "ok"}));
    let starting = answer_of(&state, get("/readyz")).await;
    assert_eq!(starting.status, 503);
    assert_eq!(starting.json(), json!({"status": "unavailable", "failing": ["starting"]}));
    state.readiness.serve();
    assert_eq!(answer_of(&state, get("/readyz")).await.json(), json!({"status": "ready"}));
}

#[actix_web::test]
async fn metrics_are_for_this_machine_or_administrators() {
    let local = || TestRequest::get().uri("/metrics").peer_addr("127.0.0.1:1".parse().unwrap());
    assert_eq!(answer(local()).await.body, "tollgate_up 1\n");
    assert_eq!(answer(get("/metrics")).await.status, 401);
    let proxied = local().insert_header(("x-forwarded-for", "203.0.113.9"));
    assert_eq!(answer(proxied).await.status, 401);
    let settings = |metrics| HttpSettings { metrics, ..away::settings() };
    let closed = away::state(settings(MetricsAccess::Credentials { loopback: false }));
    assert_eq!(answer_of(&closed, local()).await.status, 401);
    let elsewhere = away::state(settings(MetricsAccess::At("127.0.0.1:9".parse().unwrap())));
    assert_eq!(answer_of(&elsewhere, local()).await.status, 404);
}

#[actix_web::test]
async fn pages_of_listed_origins_may_call() {
    let preflight = |origin: &'static str| {
        any("OPTIONS", "/api/v1/keys")
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "POST"))
            .insert_header(("access-control-request-headers", "authorization,x-stainless-os,x-anything"))
    };
    let allowed = "access-control-allow-origin";
    let development = answer(preflight("http://localhost:3000")).await;
    assert_eq!(development.header(allowed), "http://localhost:3000");
    assert_eq!(development.header("access-control-allow-headers"), "authorization,x-stainless-os,x-anything");
    assert_eq!(answer(preflight("http://localhost")).await.header(allowed), "http://localhost");
    for origin in ["https://evil.example.com", "http://localhost.evil.example.com", "https://localhost:3000"]
    {
        assert_eq!(answer(preflight(origin)).await.header(allowed), "", "{origin}");
    }
    let cors_origins = vec!["https://app.example.com".to_owned()];
    let state = away::state(HttpSettings { cors_origins, ..away::settings() });
    assert_eq!(
        answer_of(&state, preflight("https://app.example.com")).await.header(allowed),
        "https://app.example.com"
    );
    assert_eq!(answer_of(&state, preflight("http://localhost:3000")).await.header(allowed), "");
    // A refusal can be read by the page as well.
    let refused =
        answer_of(&state, get("/api/v1/keys").insert_header(("origin", "https://app.example.com"))).await;
    assert_eq!((refused.status.as_u16(), refused.header(allowed)), (401, "https://app.example.com"));
    let exposed: Vec<_> = refused.header("access-control-expose-headers").split(", ").collect();
    for name in
        ["x-ratelimit-reset-minute", "x-ratelimit-reset-hour", "x-ratelimit-reset-day", "x-should-retry"]
    {
        assert!(exposed.contains(&name), "{name} is not among {exposed:?}");
    }
}

#[actix_web::test]
async fn the_document_and_its_pages_come_from_here() {
    let document = answer(get("/openapi.json")).await;
    assert_eq!(document.json(), serde_json::to_value(openapi::document()).unwrap());
    assert_eq!(answer(get("/docs")).await.header("location"), "/docs/");
    let page = answer(get("/docs/")).await;
    assert_eq!(page.status, 200);
    for source in page.body.split("src=\"").chain(page.body.split("href=\"")).skip(1) {
        assert!(!source.starts_with("http") && !source.starts_with("//"), "{source:.60}");
    }
    assert!(!page.body.contains("<script>"), "an inline script is against the page's own policy");
}

#[actix_web::test]
async fn the_server_binds_and_the_metrics_address_serves_nothing_else() {
    // Takes no connections, but keeps the port from others until the server listens there.
    let port = tokio::net::TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let metrics = port.local_addr().unwrap();
    let settings = HttpSettings { metrics: MetricsAccess::At(metrics), ..away::settings() };
    let listeners = crate::server::listen(&settings).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let serving = crate::server::run(away::state(settings), listeners, || ()).unwrap();
    assert_eq!(status(address, "/healthz").await, 200);
    assert_eq!(status(address, "/metrics").await, 404);
    assert_eq!(status(metrics, "/metrics").await, 200);
    assert_eq!(status(metrics, "/api/v1/keys").await, 404);
    serving.end().await.unwrap();
}

/// The status of a `GET` over a connection of its own.
async fn status(address: std::net::SocketAddr, path: &'static str) -> u16 {
    actix_web::rt::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    })
    .await
    .unwrap()
}
