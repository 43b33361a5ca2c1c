//! The HTTP API: routes, extractors, problems, the OpenAPI document.
//!
//! **Owns** how everything is called from outside: [`routes`] lists every route, [`problem`] maps every error
//! to a status, a code and a text, [`extract`] says what each handler demands of its caller.
//!
//! **Must never see** diesel, an HTTP client or the configuration: it is given [`State`] and settings as plain
//! data, and does on its [`pool`]s whatever may wait.
//!
//! To add an endpoint: a file under `api/` with its path, its schema and a handler that takes, calls one use
//! case on a pool and shows; a line in [`routes::GROUPS`]. The document follows by itself.

mod access;
pub mod api;
mod boundary;
pub mod client_address;
mod cors;
pub mod credentials;
pub mod extract;
pub mod gate;
mod management;
mod metrics_bind;
mod not_found;
pub mod openapi;
pub mod ops;
pub mod pages;
pub mod pool;
pub mod problem;
pub mod readiness;
pub mod request_id;
pub mod routes;
mod security_headers;
pub mod server;
pub mod state;
mod trailing_slash;
pub mod view;
pub mod waiting;

pub use management::ManagementCalls;
pub use openapi::openapi;
pub use pool::{Pool, Pools};
pub use readiness::{Readiness, Severity};
pub use state::{HttpSettings, MetricsAccess, MetricsSource, State};
pub use waiting::Waiting;

#[cfg(test)]
mod tests;
