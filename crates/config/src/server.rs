//! `server`: where the server listens, what it is called from outside, and where it keeps its files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::report::quoted;
use crate::section::Section;
use crate::url;

/// Most entries in `server.trusted_proxies`.
const MAX_TRUSTED_PROXIES: usize = 256;
const DEFAULT_BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000);
const BIND_REMEDY: &str = "give address:port, such as 127.0.0.1:8000 or [::]:8000";
const PROXIES_REMEDY: &str =
    "list networks such as 10.0.0.0/8 or 192.168.1.7, or give `loopback` or `none` alone";

/// How strict the server is with its own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Missing secrets are generated, and the echo provider answers where none is configured.
    Development,
    /// Weak or missing secrets and other conveniences are problems.
    Production,
}

impl Environment {
    /// The word in `TOLLGATE_ENV`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

/// Where the server listens, what it is called from outside, and where it keeps its files.
#[derive(Debug, Clone)]
pub struct Server {
    /// Development or production.
    pub environment: Environment,
    /// Where the API listens. Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Where `/metrics` listens on its own, if it does.
    pub metrics_bind: Option<SocketAddr>,
    /// The base of links and of `api_endpoint`, without a slash at its end.
    pub public_url: String,
    /// Where the embedded database, generated secrets, mail and spool files lie.
    pub data_dir: PathBuf,
    /// The networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Server {
    /// Whether this is a production server.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }
}

pub(crate) fn read(root: &mut Section<'_, '_>, working_dir: &Path) -> Server {
    root.section("server", |section| {
        let words = [("development", Environment::Development), ("production", Environment::Production)];
        let environment = section.choice(("environment", "TOLLGATE_ENV"), Environment::Development, &words);
        let bind = section
            .parsed(("bind", "TOLLGATE_BIND"), BIND_REMEDY, |found| address(&found.text))
            .unwrap_or(DEFAULT_BIND);
        section.show_default("bind", bind);
        let metrics_bind = section
            .parsed(("metrics_bind", "TOLLGATE_METRICS_BIND"), BIND_REMEDY, |found| address(&found.text));
        section.show_default("metrics_bind", crate::source::UNSET);
        let public_url = section
            .parsed(("public_url", "TOLLGATE_PUBLIC_URL"), url::REMEDY, |found| url::base(&found.text))
            .unwrap_or_else(|| default_public_url(bind));
        section.show_default("public_url", &public_url);
        let data_dir = section
            .text(("data_dir", "TOLLGATE_DATA_DIR"), 1_000)
            .map_or_else(|| working_dir.join("data"), |path| working_dir.join(path));
        section.show_default("data_dir", "./data");
        let trusted_proxies = trusted_proxies(section);
        Server { environment, bind, metrics_bind, public_url, data_dir, trusted_proxies }
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_parse| format!("{} is not address:port", quoted(text)))
}

fn default_public_url(bind: SocketAddr) -> String {
    let port = if bind.port() == 0 { DEFAULT_BIND.port() } else { bind.port() };
    format!("http://localhost:{port}")
}

fn trusted_proxies(section: &mut Section<'_, '_>) -> Vec<IpNet> {
    let found = section.texts(("trusted_proxies", "TOLLGATE_TRUSTED_PROXIES"));
    section.show_default("trusted_proxies", "loopback");
    let Some(found) = found else { return loopback() };
    if found.texts.len() > MAX_TRUSTED_PROXIES {
        let problem = format!("has more than {MAX_TRUSTED_PROXIES} entries");
        section.report.problem(found.named, problem, "name larger networks instead of single addresses");
        return Vec::new();
    }
    match found.texts.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["none"] => return Vec::new(),
        ["loopback"] => return loopback(),
        _ => {}
    }
    let mut networks = Vec::new();
    for text in &found.texts {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => networks.push(network),
            Err(_) => {
                let problem = format!("{} is not a network (CIDR)", quoted(text));
                section.report.problem(&found.named, problem, PROXIES_REMEDY);
            }
        }
    }
    networks
}

fn loopback() -> Vec<IpNet> {
    let v4 = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8);
    let v6 = ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128);
    vec![IpNet::V4(v4), IpNet::V6(v6)]
}
