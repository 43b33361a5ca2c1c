//! What a request presents itself with.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tollgate_domain::credential::{self, Looks};

pub use tollgate_domain::credential::{Unreadable, X_API_KEY};

/// A credential, by its looks; nothing is known of it yet.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// An access token.
    AccessToken(String),
    /// Everything else.
    ApiKey(String),
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AccessToken(_) => "AccessToken([redacted])",
            Self::ApiKey(_) => "ApiKey([redacted])",
        })
    }
}

/// The one credential of a request.
///
/// # Errors
/// [`Unreadable`] says why there is none.
pub fn presented(headers: &HeaderMap) -> Result<Presented, Unreadable> {
    let values = |name: &str| headers.get_all(name).map(HeaderValue::as_bytes);
    let found = credential::presented(values(AUTHORIZATION.as_str()), values(X_API_KEY))?;
    Ok(match Looks::of(found) {
        Looks::AccessToken => Presented::AccessToken(found.to_owned()),
        Looks::ApiKey => Presented::ApiKey(found.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.e30.x";

    fn of(pairs: &[(&'static str, &[u8])]) -> Result<Presented, Unreadable> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        presented(&headers)
    }

    fn key(text: &str) -> Result<Presented, Unreadable> {
        Ok(Presented::ApiKey(text.into()))
    }

    #[test]
    fn either_header_carries_it() {
        assert_eq!(of(&[("authorization", b"Bearer k")]), key("k"));
        assert_eq!(of(&[("authorization", b"bearer  k ")]), key("k"));
        assert_eq!(of(&[("x-api-key", b"k")]), key("k"));
        assert_eq!(of(&[("authorization", b"Bearer k"), ("x-api-key", b"k")]), key("k"));
        let token = format!("Bearer {JWT}");
        assert_eq!(of(&[("authorization", token.as_bytes())]), Ok(Presented::AccessToken(JWT.into())));
    }

    #[test]
    fn two_different_ones_are_ambiguous() {
        assert_eq!(of(&[("authorization", b"Bearer a"), ("x-api-key", b"b")]), Err(Unreadable::Ambiguous));
        assert_eq!(of(&[("x-api-key", b"a"), ("x-api-key", b"b")]), Err(Unreadable::Ambiguous));
        assert_eq!(of(&[("authorization", b"Bearer a"), ("x-api-key", b"")]), key("a"));
    }

    #[test]
    fn what_is_none_is_named() {
        assert_eq!(of(&[]), Err(Unreadable::Missing));
        assert_eq!(of(&[("authorization", b"Bearer ")]), Err(Unreadable::Missing));
        assert_eq!(of(&[("authorization", b"Basic dXNlcg==")]), Err(Unreadable::OtherScheme));
        assert_eq!(of(&[("authorization", b"k")]), Err(Unreadable::OtherScheme));
        assert_eq!(of(&[("authorization", b"Bearer \xff\xfe")]), Err(Unreadable::NotText));
        assert_eq!(of(&[("x-api-key", b"\xff")]), Err(Unreadable::NotText));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert!(!format!("{:?}", of(&[("x-api-key", b"secret")])).contains("secret"));
    }
}
