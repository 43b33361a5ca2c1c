//! What every handler works with.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use tollgate_accounts::Accounts;
use tollgate_domain::{Clock, Randomness};
use tollgate_gate::Authenticator;
use tollgate_usage::Folder;

use crate::{management::ManagementCalls, pool::Pools, readiness::Readiness};

/// Gives the text of `/metrics`.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Whoever reaches this address of its own, and nobody elsewhere.
    At(SocketAddr),
    /// Who has credentials with `admin`; with `loopback`, this machine as well.
    Credentials {
        /// Whether this machine needs none.
        loopback: bool,
    },
}

/// What an installation decides about its HTTP server.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where to listen; port 0 takes any that is free.
    pub bind: SocketAddr,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Threads that serve requests.
    pub workers: usize,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// How long a client may take to send a request's head.
    pub client_request_timeout: Duration,
    /// How long running answers may take to end when the server stops.
    pub shutdown_grace: Duration,
    /// The longest body outside the gate, in bytes.
    pub max_body_bytes: usize,
    /// Origins whose pages may call; one that ends in `:*` stands for every port.
    pub cors_origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether gated requests need a key, as `GET /` says; where not, those without one run as the anonymous user.
    pub authentication_enabled: bool,
}

impl State {
    /// The base of links and of pages, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.accounts.settings().public_url
    }
}

/// What every handler works with; cheap to clone.
#[derive(Clone)]
pub struct State {
    /// The control plane.
    pub accounts: Arc<Accounts>,
    /// Turns API keys into callers.
    pub authenticator: Arc<Authenticator>,
    /// How often users call outside the gate.
    pub management: Arc<ManagementCalls>,
    /// Brings sums up to date before they are read.
    pub folder: Arc<Folder>,
    /// Whether the server takes requests.
    pub readiness: Arc<Readiness>,
    /// Threads that may wait.
    pub pools: Pools,
    /// The text of `/metrics`.
    pub metrics: MetricsSource,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for request ids.
    pub random: Arc<dyn Randomness>,
    /// What was decided.
    pub settings: Arc<HttpSettings>,
}
