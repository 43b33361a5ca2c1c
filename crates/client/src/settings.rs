//! Where Tollgate is, and how patiently it is asked.

use std::time::Duration;

use http::{
    HeaderValue, Uri,
    uri::{PathAndQuery, Scheme},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The longest that an answer to a check may be remembered. A revoked key works so much longer here.
pub const MAX_CACHE: Duration = Duration::from_secs(1);
/// The longest that an answer may be waited for.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// The most questions that may be under way at once.
pub const MAX_IN_FLIGHT: usize = 4_096;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const DEFAULT_IN_FLIGHT: usize = 256;
const VERIFY: &str = "/api/v1/keys/verify";
/// The longest address, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// Where Tollgate is, and how patiently it is asked.
#[derive(Clone)]
pub struct Settings {
    /// Tollgate's address, such as `https://tollgate.example.com`; a path is kept before Tollgate's own.
    pub base_url: String,
    /// This service's own key, which holds `keys:verify`.
    pub service_key: SecretString,
    /// How long a caller waits for an answer, connecting included; more than 0, at most [`MAX_TIMEOUT`].
    pub timeout: Duration,
    /// How long an answer to a check is remembered, from when the question left; at most [`MAX_CACHE`]. 0 asks
    /// every time.
    pub cache: Duration,
    /// How many questions may be under way at once, from 1 to [`MAX_IN_FLIGHT`]; each
    /// has a connection. Beyond it callers are denied at once.
    pub max_in_flight: usize,
    /// Whether keys for tests are taken, of which users make as many as they like and whose quota is apart from that of
    /// their others. A service that takes them looks at [`Caller::environment`](crate::Caller::environment), or is for
    /// tests itself.
    pub test_keys: bool,
}

/// What is wrong with the settings. Never quotes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The address.
    #[error("base_url {0}")]
    BaseUrl(&'static str),
    /// The key.
    #[error("service_key is empty or has characters that no header may have")]
    ServiceKey,
    /// The time to wait.
    #[error("timeout must be more than 0 and at most {} s", MAX_TIMEOUT.as_secs())]
    Timeout,
    /// The time to remember.
    #[error("cache may be at most {} s: a revoked key would work for longer", MAX_CACHE.as_secs())]
    Cache,
    /// The number of questions.
    #[error("max_in_flight must be from 1 to {MAX_IN_FLIGHT}")]
    InFlight,
    /// The operating system has no randomness, or TLS lacks what it needs.
    #[error("this machine lacks {0}")]
    Machine(&'static str),
}

impl Settings {
    /// The usual patience: 2 s, answers remembered for [`MAX_CACHE`], 256 questions at once; no keys for tests.
    pub fn new(base_url: impl Into<String>, service_key: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            service_key,
            timeout: DEFAULT_TIMEOUT,
            cache: MAX_CACHE,
            max_in_flight: DEFAULT_IN_FLIGHT,
            test_keys: false,
        }
    }

    /// Whether the numbers are within their bounds.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(SettingsError::Timeout);
        }
        if self.cache > MAX_CACHE {
            return Err(SettingsError::Cache);
        }
        if self.max_in_flight == 0 || self.max_in_flight > MAX_IN_FLIGHT {
            return Err(SettingsError::InFlight);
        }
        Ok(())
    }

    /// Where questions go.
    pub(crate) fn target(&self) -> Result<Uri, SettingsError> {
        let wrong = SettingsError::BaseUrl;
        let no_url = |_error| wrong("is no URL");
        if self.base_url.len() > MAX_URL_BYTES {
            return Err(wrong("is too long"));
        }
        if self.base_url.contains(['?', '#']) {
            return Err(wrong("must have no query and no fragment"));
        }
        let base: Uri = self.base_url.parse().map_err(|_error| wrong("is no URL"))?;
        let mut parts = base.into_parts();
        if !parts.scheme.as_ref().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) {
            return Err(wrong("must begin with https:// or http://"));
        }
        let authority = parts.authority.as_ref().ok_or(wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("must carry no credentials: the key is a setting of its own"));
        }
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        let before = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        parts.path_and_query = Some(format!("{before}{VERIFY}").parse().map_err(no_url)?);
        Uri::from_parts(parts).map_err(|_error| wrong("is no URL"))
    }

    /// The header that names this service.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, SettingsError> {
        let key = self.service_key.expose_secret();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::ServiceKey);
        }
        let text = Zeroizing::new(format!("Bearer {key}"));
        let mut value = HeaderValue::from_str(&text).map_err(|_error| SettingsError::ServiceKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base_url: &str) -> Settings {
        Settings::new(base_url, SecretString::from("sk-service"))
    }

    #[test]
    fn a_path_is_kept() {
        for (base, target) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/v1/keys/verify"),
            ("https://example.com/", "https://example.com/api/v1/keys/verify"),
            ("https://example.com/gate//", "https://example.com/gate/api/v1/keys/verify"),
            ("HTTP://[::1]:8000", "http://[::1]:8000/api/v1/keys/verify"),
        ] {
            assert_eq!(at(base).target().unwrap().to_string(), target);
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_being_quoted() {
        for base in [
            "",
            "example.com",
            "/path",
            "ftp://example.com",
            "http://",
            "http://:80",
            "http://user:secret@example.com",
            "http://secret@example.com",
            "http://example.com?secret=1",
            "http://example.com/#secret",
            "http://exa mple.com",
        ] {
            let error = at(base).target().expect_err(base);
            assert!(matches!(error, SettingsError::BaseUrl(_)), "{base}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(at(&format!("http://{}", "a".repeat(MAX_URL_BYTES))).target().is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        let good = at("http://127.0.0.1");
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Settings { cache: Duration::ZERO, ..good.clone() }.check(), Ok(()));
        for (settings, error) in [
            (Settings { cache: MAX_CACHE + Duration::from_nanos(1), ..good.clone() }, SettingsError::Cache),
            (Settings { timeout: Duration::ZERO, ..good.clone() }, SettingsError::Timeout),
            (Settings { timeout: Duration::from_secs(31), ..good.clone() }, SettingsError::Timeout),
            (Settings { max_in_flight: 0, ..good.clone() }, SettingsError::InFlight),
            (Settings { max_in_flight: MAX_IN_FLIGHT + 1, ..good.clone() }, SettingsError::InFlight),
        ] {
            assert_eq!(settings.check(), Err(error));
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        assert!(!format!("{:?}", at("http://127.0.0.1").authorization().unwrap()).contains("sk-service"));
        for key in ["", "a b", "a\n", "ä"] {
            let settings = Settings::new("http://127.0.0.1", SecretString::from(key));
            assert_eq!(settings.authorization(), Err(SettingsError::ServiceKey));
        }
    }
}
