//! Providers as they are configured, checked once and shared by every worker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
    uri::{Authority, Scheme},
};
use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::Clock;

use crate::{echo::Echo, redact::Redactor};

/// How calls name their program.
pub(crate) const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// One provider, as configured.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name by which requests choose it.
    pub name: String,
    /// What it speaks, and where it is.
    pub kind: ProviderKind,
    /// Bounds the wait for the answer's first byte and each later pause, not the whole answer.
    pub timeout: Duration,
}

/// What a provider speaks.
#[derive(Debug, Clone)]
pub enum ProviderKind {
    /// OpenAI's API.
    OpenAi {
        /// `http` or `https`, with the version path, such as `https://api.openai.com/v1`.
        base_url: String,
        /// The operator's key; some local servers need none.
        api_key: Option<SecretString>,
    },
    /// Nobody: the caller's own words come back, without a network.
    Echo,
}

/// Why providers cannot be used as they are configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvidersError {
    /// Two of one name.
    #[error("there are two providers called `{0}`")]
    Duplicate(String),
    /// An address that cannot be called.
    #[error("the base URL of provider `{name}` {reason}")]
    BaseUrl {
        /// The provider.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key that cannot stand in a header.
    #[error("the key of provider `{0}` has characters that no HTTP header can carry")]
    Key(String),
    /// No time to answer in.
    #[error("the timeout of provider `{0}` is 0")]
    Timeout(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Every provider, ready to be called.
pub struct Providers {
    by_name: HashMap<String, Target>,
    tls: ClientConfig,
}

/// A provider ready to be called.
pub(crate) enum Target {
    OpenAi(Arc<Endpoint>),
    Echo(Echo),
}

/// An address with what is needed to call it.
pub(crate) struct Endpoint {
    base: Uri,
    /// Of calls for whole answers.
    headers: HeaderMap,
    /// Of calls for streams.
    stream_headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) redactor: Redactor,
}

impl Providers {
    /// Checks `providers`. `clock` dates what `echo` answers.
    ///
    /// # Errors
    /// See [`ProvidersError`]; none of its texts shows a key.
    pub fn new(providers: Vec<Provider>, clock: &Arc<dyn Clock>) -> Result<Arc<Self>, ProvidersError> {
        let mut by_name = HashMap::with_capacity(providers.len());
        for provider in providers {
            if provider.timeout.is_zero() {
                return Err(ProvidersError::Timeout(provider.name));
            }
            let target = match provider.kind {
                ProviderKind::OpenAi { base_url, api_key } => {
                    let endpoint =
                        Endpoint::new(&provider.name, &base_url, api_key.as_ref(), provider.timeout)?;
                    Target::OpenAi(Arc::new(endpoint))
                }
                ProviderKind::Echo => Target::Echo(Echo::new(Arc::clone(clock))),
            };
            if by_name.contains_key(&provider.name) {
                return Err(ProvidersError::Duplicate(provider.name));
            }
            by_name.insert(provider.name, target);
        }
        Ok(Arc::new(Self { by_name, tls: tls()? }))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Target> {
        self.by_name.get(name)
    }

    /// Those that are called over the network, with their names.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.by_name.iter().filter_map(|(name, target)| match target {
            Target::OpenAi(endpoint) => Some((name.as_str(), &**endpoint)),
            Target::Echo(_) => None,
        })
    }

    pub(crate) fn tls(&self) -> ClientConfig {
        self.tls.clone()
    }
}

/// The roots that browsers trust, and ring.
fn tls() -> Result<ClientConfig, ProvidersError> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| ProvidersError::Tls(error.to_string()))?;
    Ok(versions.with_webpki_roots().with_no_client_auth())
}

impl Endpoint {
    fn new(
        name: &str,
        base_url: &str,
        api_key: Option<&SecretString>,
        timeout: Duration,
    ) -> Result<Self, ProvidersError> {
        let base =
            base(base_url).map_err(|reason| ProvidersError::BaseUrl { name: name.to_owned(), reason })?;
        let key = api_key.map(ExposeSecret::expose_secret).filter(|key| !key.is_empty());
        let authorization = key.map(|key| bearer(name, key)).transpose()?;
        let headers = |accept| headers(&base, authorization.as_ref(), accept);
        Ok(Self {
            headers: headers(JSON),
            stream_headers: headers(EVENT_STREAM),
            base,
            timeout,
            redactor: Redactor::new(key),
        })
    }

    /// The base of its paths.
    pub(crate) const fn base(&self) -> &Uri {
        &self.base
    }

    /// `path` below the base, as it stands in a request to the server there.
    pub(crate) fn target(&self, path: &str) -> Result<Uri, http::Error> {
        let base = self.base.path().trim_end_matches('/');
        Ok(Uri::try_from([base, path].concat())?)
    }

    /// The headers of calls.
    pub(crate) const fn headers(&self, stream: bool) -> &HeaderMap {
        if stream { &self.stream_headers } else { &self.headers }
    }
}

fn headers(base: &Uri, authorization: Option<&HeaderValue>, accept: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(host) = host(base) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ACCEPT, accept);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}

/// Who is asked: the host, and the port unless it is the scheme's own.
fn host(base: &Uri) -> Option<HeaderValue> {
    let usual = if base.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = base.port_u16().filter(|port| *port != usual);
    let host = match port {
        Some(_) => base.authority().map(Authority::as_str)?,
        None => base.host()?,
    };
    HeaderValue::from_str(host).ok()
}

fn base(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.trim().parse().map_err(|_invalid| "is not a URL")?;
    if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        return Err("does not begin with http:// or https://");
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err("names a user; the key belongs into the key's own setting");
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("names no host");
    }
    if uri.query().is_some() {
        return Err("has a query");
    }
    Ok(uri)
}

fn bearer(name: &str, key: &str) -> Result<HeaderValue, ProvidersError> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}"))
        .map_err(|_invalid| ProvidersError::Key(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use tollgate_testkit::FixedClock;

    use super::*;

    fn provider(name: &str, base_url: &str, key: &str) -> Provider {
        let api_key = Some(SecretString::from(key));
        let kind = ProviderKind::OpenAi { base_url: base_url.to_owned(), api_key };
        Provider { name: name.to_owned(), kind, timeout: Duration::from_secs(1) }
    }

    fn check(providers: Vec<Provider>) -> Result<Arc<Providers>, ProvidersError> {
        Providers::new(providers, &FixedClock::shared())
    }

    #[test]
    fn base_urls_must_be_callable() {
        for good in ["https://api.example.com/v1", "http://127.0.0.1:8080", "http://[::1]:1/v1/"] {
            assert!(check(vec![provider("a", good, "k")]).is_ok(), "{good}");
        }
        for bad in ["", "api.example.com/v1", "ftp://a/v1", "https://u:secret@a/v1", "https://a/v1?key=1"] {
            let error = check(vec![provider("a", bad, "k")]).err().unwrap();
            assert!(matches!(error, ProvidersError::BaseUrl { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let twice = vec![provider("a", "http://a", "k"), provider("a", "http://b", "k")];
        assert_eq!(check(twice).err(), Some(ProvidersError::Duplicate("a".into())));
        let split = check(vec![provider("a", "http://a", "k\r\nx: y")]).err().unwrap();
        assert_eq!(split, ProvidersError::Key("a".into()));
        let mut hasty = provider("a", "http://a", "k");
        hasty.timeout = Duration::ZERO;
        assert_eq!(check(vec![hasty]).err(), Some(ProvidersError::Timeout("a".into())));
    }

    #[test]
    fn paths_lie_below_the_base() {
        for (base, host, target) in [
            ("http://a/v1", "a", "/v1/chat/completions"),
            ("http://a/v1/", "a", "/v1/chat/completions"),
            ("http://a:81", "a:81", "/chat/completions"),
            ("http://a:80", "a", "/chat/completions"),
            ("https://a:443/v1", "a", "/v1/chat/completions"),
            ("https://a:80/v1", "a:80", "/v1/chat/completions"),
            ("http://[::1]:1/v1", "[::1]:1", "/v1/chat/completions"),
            ("http://[::1]/v1", "[::1]", "/v1/chat/completions"),
        ] {
            let endpoint = Endpoint::new("a", base, None, Duration::from_secs(1)).unwrap();
            assert_eq!(endpoint.target("/chat/completions").unwrap(), target);
            assert_eq!(endpoint.headers(false)[HOST], host, "{base}");
        }
    }

    #[test]
    fn nothing_shows_the_key() {
        let key = "sk-operators-own-key";
        let provider = provider("a", "http://a", key);
        assert!(!format!("{provider:?}").contains(key));
        let endpoint = Endpoint::new("a", "http://a", Some(&SecretString::from(key)), Duration::from_secs(1));
        assert!(!format!("{:?}", endpoint.unwrap().headers(true)).contains(key));
    }
}
