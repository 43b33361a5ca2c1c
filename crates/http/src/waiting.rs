//! What a server answers before it can serve: that it lives, that it is not ready, and 503 to everything else.
//!
//! It has neither database nor memory, so it knows nobody: no credentials are looked at.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    http::{KeepAlive, Method},
    middleware::{Next, from_fn},
    rt::{spawn, time::sleep},
    web::{self, Data},
};
use tollgate_domain::{Clock, Randomness};

use crate::{
    boundary::finish,
    cors::cors,
    ops::{healthz, readyz, root},
    problem::Problem,
    readiness::Readiness,
    request_id::RequestId,
    state::HttpSettings,
};

/// What the answers need; cheap to clone.
#[derive(Clone)]
pub struct Waiting {
    /// What the server waits for.
    pub readiness: Arc<Readiness>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for request ids.
    pub random: Arc<dyn Randomness>,
    /// What was decided.
    pub settings: Arc<HttpSettings>,
}

/// How long those whose connections were accepted last have to ask and be answered, also on a busy machine. Who comes
/// meanwhile is served.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// What answers until the server can serve.
pub struct Answering(ServerHandle);

impl Answering {
    /// Ends it, once somebody else serves on the same sockets: afterwards nobody is told any more to come again.
    pub async fn end(self) {
        self.0.pause().await;
        sleep(LAST_ANSWERS).await;
        self.0.stop(false).await;
    }
}

/// Starts to answer on `listeners`, whose sockets others may serve on afterwards; to be called within a
/// `LocalSet`. Connections are not kept open, so that nobody stays with a server that never gets ready.
///
/// # Errors
/// When a socket cannot be served on.
pub fn run(waiting: Waiting, listeners: Vec<TcpListener>) -> io::Result<Answering> {
    let timeout = waiting.settings.client_request_timeout;
    let mut server = HttpServer::new(move || app(&waiting))
        .workers(1)
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(timeout)
        .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    spawn(server);
    Ok(Answering(handle))
}

/// The answers, and what surrounds them.
pub(crate) fn app(
    waiting: &Waiting,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(Data::new(waiting.clone()))
        .default_service(web::route().to(answer))
        .wrap(cors(&waiting.settings.cors_origins))
        .wrap(from_fn(surround))
}

async fn answer(waiting: Data<Waiting>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.path() {
        "/healthz" if reads => Ok(healthz::shown()),
        "/readyz" if reads => Ok(readyz::shown(waiting.readiness.get())),
        "/" if reads => Ok(root::shown(waiting.settings.authentication_enabled)),
        _ => Err(Problem::starting()),
    }
}

async fn surround(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = match request.app_data::<Data<Waiting>>() {
        Some(waiting) => RequestId::of(request.headers(), &*waiting.clock, &*waiting.random),
        None => RequestId(String::new()),
    };
    request.extensions_mut().insert(id.clone());
    let path = request.path().to_owned();
    let mut response = next.call(request).await?.map_into_boxed_body();
    finish(&mut response, &path, &id);
    Ok(response)
}
