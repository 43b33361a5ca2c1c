//! What a caller presents itself with.

use std::fmt;

use http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{
    KeyText,
    credential::{Looks, X_API_KEY, presented},
};

use crate::denied::{Denied, Refusal};

/// The longest access token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// An API key or an access token, by its looks; nothing is known of it yet. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Credential {
    text: SecretString,
    looks: Looks,
}

impl Credential {
    /// A text that is a key or an access token.
    pub fn new(text: &str) -> Self {
        Self { text: SecretString::from(text), looks: Looks::of(text) }
    }

    /// The one credential of a request: `Authorization: Bearer` or `X-API-Key`.
    ///
    /// # Errors
    /// As [`Credential::from_values`].
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Denied> {
        let bytes = |name| headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        Self::from_values(bytes(AUTHORIZATION.as_str()), bytes(X_API_KEY))
    }

    /// The same for servers whose headers are of another type (actix-web): the values of all `Authorization` and
    /// of all `X-API-Key` headers.
    ///
    /// # Errors
    /// [`Denied::Missing`]; [`Denied::Ambiguous`] where two different ones were sent; [`Denied::Malformed`];
    /// [`Denied::Refused`] for another scheme than `Bearer`.
    pub fn from_values<'a>(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        api_key: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Denied> {
        Ok(presented(authorization, api_key).map(Self::new)?)
    }

    /// The text and what it looks like.
    pub(crate) fn expose(&self) -> (&str, Looks) {
        (self.text.expose_secret(), self.looks)
    }

    /// What Tollgate would say of a text that nobody's credential can be.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let text = self.text.expose_secret();
        match self.looks {
            Looks::ApiKey => KeyText::parse(text).is_err().then_some(Refusal::here(
                "invalid_api_key",
                "this is no API key: it was cut off or mistyped",
                StatusCode::UNAUTHORIZED,
            )),
            Looks::AccessToken => (text.len() > MAX_TOKEN_BYTES).then_some(Refusal::here(
                "invalid_credentials",
                "this is no access token: it is too long",
                StatusCode::UNAUTHORIZED,
            )),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.looks)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.e30.x";

    fn of(pairs: &[(&'static str, &[u8])]) -> Result<Credential, Denied> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        Credential::from_headers(&headers)
    }

    fn is(found: Result<Credential, Denied>, text: &str, looks: Looks) {
        assert_eq!(found.unwrap().expose(), (text, looks));
    }

    #[test]
    fn either_header_carries_it() {
        is(of(&[("authorization", b"Bearer k")]), "k", Looks::ApiKey);
        is(of(&[("authorization", b"bearer  k ")]), "k", Looks::ApiKey);
        is(of(&[("x-api-key", b"k")]), "k", Looks::ApiKey);
        is(of(&[("authorization", b"Bearer k"), ("x-api-key", b"k")]), "k", Looks::ApiKey);
        is(of(&[("authorization", b"Bearer a"), ("x-api-key", b"")]), "a", Looks::ApiKey);
        is(of(&[("authorization", format!("Bearer {JWT}").as_bytes())]), JWT, Looks::AccessToken);
    }

    #[test]
    fn two_different_ones_are_refused() {
        for pairs in [
            [("authorization", b"Bearer a".as_slice()), ("x-api-key", b"b")],
            [("x-api-key", b"a"), ("x-api-key", b"b")],
            [("authorization", b"Bearer a"), ("authorization", b"Bearer b")],
        ] {
            assert_eq!(of(&pairs).unwrap_err(), Denied::Ambiguous);
        }
    }

    #[test]
    fn what_is_none_is_named() {
        assert_eq!(of(&[]).unwrap_err(), Denied::Missing);
        assert_eq!(of(&[("authorization", b"Bearer ")]).unwrap_err(), Denied::Missing);
        assert_eq!(of(&[("authorization", b"Bearer \xff\xfe")]).unwrap_err(), Denied::Malformed);
        assert_eq!(of(&[("x-api-key", b"\xff")]).unwrap_err(), Denied::Malformed);
        for other in [b"Basic dXNlcg==".as_slice(), b"k"] {
            let denied = of(&[("authorization", other)]).unwrap_err();
            assert_eq!((denied.status().as_u16(), denied.code()), (401, "invalid_credentials"));
        }
    }

    #[test]
    fn what_nobody_can_have_is_refused_here() {
        let refused = |text: &str| Credential::new(text).refusal().map(|refusal| refusal.code);
        assert_eq!(refused("sk_live_tg_mistyped").as_deref(), Some("invalid_api_key"));
        assert_eq!(refused(&"k".repeat(257)).as_deref(), Some("invalid_api_key"));
        assert_eq!(refused("a b").as_deref(), Some("invalid_api_key"));
        assert_eq!(
            refused(&format!("{JWT}{}", "x".repeat(MAX_TOKEN_BYTES))).as_deref(),
            Some("invalid_credentials")
        );
        assert_eq!(refused("an-imported-key"), None);
        assert_eq!(refused(JWT), None);
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", Credential::new("secret")), "ApiKey([redacted])");
    }
}
