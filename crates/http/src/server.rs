//! The server: sockets, workers, and what surrounds every request.

use std::{io, net::SocketAddr};

use actix_web::{
    App, HttpServer,
    body::BoxBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web,
};

use crate::{
    boundary::boundary,
    cors::cors,
    routes,
    state::{MetricsAccess, State},
};

/// Every route, and what surrounds each.
pub(crate) fn app(
    state: &State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(web::Data::new(state.clone()))
        .configure(routes::mount)
        .wrap(cors(&state.settings.cors_origins))
        .wrap(from_fn(boundary))
}

/// Binds and starts to serve. `per_worker` makes, on each worker's own thread, what that worker's handlers
/// find as `web::Data<T>`. Signals are the caller's: end it through the server's handle.
///
/// Gives the server, to be awaited, and the addresses it listens on.
///
/// # Errors
/// When an address cannot be bound.
pub fn run<T: 'static>(
    state: State,
    per_worker: impl Fn() -> T + Clone + Send + 'static,
) -> io::Result<(Server, Vec<SocketAddr>)> {
    let settings = std::sync::Arc::clone(&state.settings);
    let server = HttpServer::new(move || app(&state).app_data(web::Data::new(per_worker())))
        .workers(settings.workers)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.client_request_timeout)
        .shutdown_timeout(settings.shutdown_grace.as_secs())
        // Small chunks of a stream would wait for each other's acknowledgement.
        .tcp_nodelay(true)
        // A client that hangs up before the answer begins is noticed only so.
        .h1_allow_half_closed(false)
        .disable_signals()
        .bind(settings.bind)?;
    let server = match settings.metrics {
        MetricsAccess::At(address) => server.bind(address)?,
        MetricsAccess::Credentials { .. } => server,
    };
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}
