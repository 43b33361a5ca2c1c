//! Small JSON documents over HTTP: nothing is sent along, no redirect is followed, and all of it is bounded.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;

/// How long a connection may take to come about, TLS apart.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long everything that is fetched at once may take.
pub const DEADLINE: Duration = Duration::from_secs(8);
const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// Why there is no document, in words of our own: what libraries say may name addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No answer.
    #[error("it cannot be reached")]
    Unreachable,
    /// None in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// An answer that is no document; a redirect is one such.
    #[error("it answers with status {0}")]
    Status(u16),
    /// A document that cannot be used.
    #[error("{0}")]
    Unusable(&'static str),
}

/// Fetches documents.
pub struct Fetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Fetcher {
    /// With the roots that browsers trust, and ring.
    ///
    /// # Errors
    /// What TLS lacks.
    pub fn new() -> Result<Self, String> {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let tls = versions.with_webpki_roots().with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // A connection lives no longer than the runtime of the fetch that made it.
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    /// The document at `uri`, of at most `max_bytes`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, uri: &Uri, max_bytes: usize) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let response = self.0.request(request).await.map_err(|_error| FetchError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(FetchError::Unusable("its answer is compressed although that was declined"));
        }
        let body = Limited::new(response.into_body(), max_bytes).collect().await;
        Ok(body.map_err(|_error| FetchError::Unusable("its answer is too long or breaks off"))?.to_bytes())
    }
}

/// Runs `fetching` on this thread, for [`DEADLINE`] at most.
///
/// # Errors
/// What it has, [`FetchError::TimedOut`], or [`FetchError::Unreachable`] where the system has no room for it.
pub fn wait_for<T>(fetching: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_error| FetchError::Unreachable)?;
    let fetched = runtime.block_on(async { tokio::time::timeout(DEADLINE, fetching).await });
    // The system's look-up of a name cannot be broken off: it ends without us.
    runtime.shutdown_background();
    fetched.unwrap_or(Err(FetchError::TimedOut))
}
