//! The server: sockets, workers, and what surrounds every request.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use actix_web::{
    App, HttpServer,
    body::BoxBody,
    dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    rt::{spawn, task::JoinHandle},
    web,
};
use tokio::net::TcpSocket;

use crate::{
    boundary::boundary,
    cors::cors,
    routes,
    state::{HttpSettings, MetricsAccess, State},
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2_048;

/// How long a client may leave untaken what was sent to it, in milliseconds: then its connection ends, and
/// with it what was kept to be sent.
#[cfg(target_os = "linux")]
const CLIENT_PAUSE_MS: u32 = 60_000;

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

/// Binds the addresses of `settings`; to be called within a runtime. Clients that connect from now on wait in the
/// sockets' backlog until somebody serves them.
///
/// # Errors
/// When an address cannot be bound.
pub fn listen(settings: &HttpSettings) -> io::Result<Vec<TcpListener>> {
    let metrics = match settings.metrics {
        MetricsAccess::At(address) => Some(address),
        MetricsAccess::Credentials { .. } => None,
    };
    std::iter::once(settings.bind).chain(metrics).map(bind).collect()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server is started again where connections of the last one linger.
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&socket, CLIENT_PAUSE_MS)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A server that serves, on threads of its own.
pub struct Serving {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl Serving {
    /// Takes no connections any more, finishes what runs, and cuts off what is not done within the grace.
    ///
    /// # Errors
    /// When the server had ended badly.
    pub async fn end(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.task.await.map_err(io::Error::other)?
    }
}

/// Starts to serve on `listeners`; to be called within a `LocalSet`. `per_worker` makes, on each worker's own thread, what that worker's handlers
/// find as `web::Data<T>`. Signals are the caller's.
///
/// # Errors
/// When a socket cannot be served on.
pub fn run<T: 'static>(
    state: State,
    listeners: Vec<TcpListener>,
    per_worker: impl Fn() -> T + Clone + Send + 'static,
) -> io::Result<Serving> {
    let settings = std::sync::Arc::clone(&state.settings);
    let mut server = HttpServer::new(move || app(&state).app_data(web::Data::new(per_worker())))
        .workers(settings.workers)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.client_request_timeout)
        .shutdown_timeout(settings.shutdown_grace.as_secs())
        // Small chunks of a stream would wait for each other's acknowledgement.
        .tcp_nodelay(true)
        // A client that hangs up before the answer begins is noticed only so.
        .h1_allow_half_closed(false)
        .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok(Serving { handle, task: spawn(server) })
}
