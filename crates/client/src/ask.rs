//! The call itself: bounded in bytes, in number and in time, no redirect followed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, ThreadId},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tollgate_domain::Environment;

use crate::{
    denied::{Denied, Misconfigured, Refusal, Unavailable},
    settings::{Settings, SettingsError},
    wire::{self, Answer},
};

/// The longest answer, in bytes. Metadata, its largest part, is 4 KiB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long an unused connection is kept: shorter than what Tollgate (75 s) and usual proxies keep.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many unused connections a thread keeps.
const MAX_IDLE: usize = 256;
/// The most threads whose connections are kept apart. Where more have asked, all begin anew.
const MAX_THREADS: usize = 256;
const AGENT: &str = concat!("tollgate-client/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What to do with a question whose connection ended before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Ask once more: asking changes nothing.
    AskAgain,
    /// Leave it: it may have been counted.
    GiveUp,
}

/// The connections of one thread.
type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks questions.
pub(crate) struct Asker {
    connector: HttpsConnector<HttpConnector>,
    /// A connection lives no longer than the runtime that made it, and moves only while that runtime does. Where
    /// each thread has one of its own, no question depends on another thread's.
    connections: Mutex<HashMap<ThreadId, Connections>>,
    target: Uri,
    authorization: HeaderValue,
    places: Semaphore,
    test_keys: bool,
}

impl Asker {
    /// No connection is made yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|_error| SettingsError::Machine("the versions of TLS"))?
            .with_webpki_roots()
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.timeout));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            connector,
            connections: Mutex::default(),
            target: settings.target()?,
            authorization: settings.authorization()?,
            places: Semaphore::new(settings.max_in_flight),
            test_keys: settings.test_keys,
        })
    }

    fn connections(&self) -> Connections {
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let own = thread::current().id();
        if let Some(connections) = all.get(&own) {
            return connections.clone();
        }
        if all.len() >= MAX_THREADS {
            all.clear();
        }
        // A request that was not begun when its connection ended is sent on another one: nobody has counted it.
        let connections: Connections = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(self.connector.clone());
        all.insert(own, connections.clone());
        connections
    }

    /// Asks, if there is a place. The caller bounds the time.
    pub(crate) async fn ask(&self, body: Bytes, lost: Lost) -> Answer {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Denied::Unavailable(Unavailable::Busy));
        };
        match self.once(body.clone()).await {
            Err(Denied::Unavailable(Unavailable::Broken)) if lost == Lost::AskAgain => self.once(body).await,
            answer => answer,
        }
    }

    async fn once(&self, body: Bytes) -> Answer {
        let response = self.connections().request(self.request(body)).await.map_err(|error| {
            let reason = if error.is_connect() { Unavailable::Unreachable } else { Unavailable::Broken };
            Denied::Unavailable(reason)
        })?;
        let status = response.status();
        // Read to its end even where nobody wants it: the connection then serves again.
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        if status != StatusCode::OK {
            return Err(unanswered(status));
        }
        let body = body.map_err(|error| {
            let too_long = error.is::<http_body_util::LengthLimitError>();
            Denied::Unavailable(if too_long { Unavailable::Unreadable } else { Unavailable::Broken })
        })?;
        let caller = wire::answer(&body.to_bytes())?;
        if caller.environment == Environment::Test && !self.test_keys {
            return Err(Denied::Refused(Refusal::here(
                "permission_denied",
                "this API key is for tests, and this service takes none of those",
                StatusCode::FORBIDDEN,
            )));
        }
        Ok(caller)
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request
    }
}

/// What a status other than 200 says: the service's own fault, or nobody's. The caller's never: what a caller did
/// wrong is said with 200.
fn unanswered(status: StatusCode) -> Denied {
    match status.as_u16() {
        401 => Denied::Misconfigured(Misconfigured::ServiceKey),
        403 => Denied::Misconfigured(Misconfigured::ServicePermission),
        408 | 425 | 429 => Denied::Unavailable(Unavailable::Status(status.as_u16())),
        other if other < 500 => Denied::Misconfigured(Misconfigured::Address(other)),
        other => Denied::Unavailable(Unavailable::Status(other)),
    }
}
