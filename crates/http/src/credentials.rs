//! What a request presents itself with.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tollgate_domain::key::is_access_token;

/// The header of API keys beside `Authorization`.
pub const X_API_KEY: &str = "x-api-key";

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

/// Why no credential could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// None is there.
    #[error(
        "this needs credentials: send `Authorization: Bearer <access token or API key>` or `X-API-Key: <API key>`"
    )]
    Missing,
    /// Two different ones are there.
    #[error("two different credentials were sent: send one")]
    Ambiguous,
    /// Characters that no credential has.
    #[error("the credentials hold characters that no header may")]
    NotText,
    /// Another scheme than `Bearer`.
    #[error("only `Authorization: Bearer <access token or API key>` is taken")]
    OtherScheme,
}

/// The one credential of a request.
///
/// # Errors
/// [`Unreadable`] says why there is none.
pub fn presented(headers: &HeaderMap) -> Result<Presented, Unreadable> {
    let bearers = headers.get_all(AUTHORIZATION).map(bearer);
    let keys = headers.get_all(X_API_KEY).map(text);
    let mut found: Option<&str> = None;
    for credential in bearers.chain(keys) {
        let credential = credential?;
        match found {
            _ if credential.is_empty() => {}
            Some(other) if other != credential => return Err(Unreadable::Ambiguous),
            Some(_) | None => found = Some(credential),
        }
    }
    let found = found.ok_or(Unreadable::Missing)?.to_owned();
    Ok(if is_access_token(&found) { Presented::AccessToken(found) } else { Presented::ApiKey(found) })
}

fn text(value: &HeaderValue) -> Result<&str, Unreadable> {
    std::str::from_utf8(value.as_bytes()).map(str::trim).map_err(|_not_utf8| Unreadable::NotText)
}

fn bearer(value: &HeaderValue) -> Result<&str, Unreadable> {
    let value = text(value)?;
    match value.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential.trim()),
        None if value.is_empty() || value.eq_ignore_ascii_case("bearer") => Ok(""),
        Some(_) | None => Err(Unreadable::OtherScheme),
    }
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
