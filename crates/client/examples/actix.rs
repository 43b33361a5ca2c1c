//! A small service whose routes Tollgate guards: `GET /quotes/{symbol}` for who may use the service `quotes`, and
//! `POST /reports`, of which each costs 25 tokens.
//!
//! ```sh
//! TOLLGATE_URL=http://127.0.0.1:8000 TOLLGATE_SERVICE_KEY=sk_live_tg_… \
//!     cargo run -p tollgate-client --example actix -- 127.0.0.1:9000
//! ```

use std::{error::Error, fmt, marker::PhantomData, sync::Arc};

use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, Responder, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    web,
};
use futures::future::LocalBoxFuture;
use secrecy::SecretString;
use serde_json::json;
use tollgate_client::{Caller, Credential, Denied, Guard, Permission, Question, Settings, Unavailable};

/// What a route asks of its callers.
trait Asks {
    /// The service of Tollgate's permission `services:<name>`.
    const SERVICE: &'static str;
    /// The tokens of a call, where calls are counted.
    const COST: Option<u64>;
}

/// A caller who may. Only the guard makes one, so a handler that takes one is guarded.
struct Admitted<A>(Arc<Caller>, PhantomData<A>);

/// A caller who may not.
#[derive(Debug)]
struct Refused(Denied);

impl<A: Asks> FromRequest for Admitted<A> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _body: &mut Payload) -> Self::Future {
        let guard = request.app_data::<web::Data<Guard>>().cloned();
        let values = |name| request.headers().get_all(name).map(HeaderValue::as_bytes);
        let credential = Credential::from_values(values(AUTHORIZATION.as_str()), values("x-api-key"));
        let question = Question {
            permission: Some(Permission::Service(A::SERVICE.to_owned())),
            // Behind a proxy, take it from the proxy's header, and only from a proxy that is yours.
            ip: request.peer_addr().map(|address| address.ip()),
            ..Question::default()
        };
        Box::pin(async move {
            let credential = credential.map_err(Refused)?;
            // Without a guard nobody is admitted.
            let guard = guard.ok_or(Refused(Denied::Unavailable(Unavailable::Unreachable)))?;
            let asked = match A::COST {
                None => guard.check(&credential, &question).await,
                Some(tokens) => guard.charge(&credential, &question, tokens).await,
            };
            asked.map(|caller| Self(caller, PhantomData)).map_err(Refused)
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status().as_u16()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut answer = HttpResponseBuilder::new(status);
        answer.content_type("application/problem+json").insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.0.challenge() {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.0.retry_after_seconds() {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        let problem = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "code": self.0.code(), "detail": self.0.detail(),
        });
        answer.body(problem.to_string())
    }
}

struct Quotes;

impl Asks for Quotes {
    const SERVICE: &'static str = "quotes";
    const COST: Option<u64> = None;
}

struct Reports;

impl Asks for Reports {
    const SERVICE: &'static str = "reports";
    const COST: Option<u64> = Some(25);
}

async fn quote(caller: Admitted<Quotes>, symbol: web::Path<String>) -> impl Responder {
    web::Json(json!({"symbol": *symbol, "price": "42.00", "asked_by": caller.0.user_id}))
}

async fn report(caller: Admitted<Reports>) -> impl Responder {
    let quota = caller.0.rate_limit.quota;
    web::Json(json!({"report": "All is well.", "asked_by": caller.0.user_id, "tokens_left": quota.remaining}))
}

/// The routes and the guard that they ask.
pub fn register(config: &mut web::ServiceConfig, guard: Guard) {
    config
        .app_data(web::Data::new(guard))
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/quotes/{symbol}", web::get().to(quote))
        .route("/reports", web::post().to(report));
}

#[actix_web::main]
#[expect(clippy::disallowed_methods, reason = "a program without a configuration of its own")]
#[expect(clippy::print_stdout, reason = "it tells who started it where it is")]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let service_key = SecretString::from(setting("TOLLGATE_SERVICE_KEY")?);
    let guard = Guard::new(Settings::new(setting("TOLLGATE_URL")?, service_key))?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let server = HttpServer::new(move || {
        let guard = guard.clone();
        App::new().configure(|config| register(config, guard))
    })
    .bind(address)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    Ok(server.run().await?)
}
