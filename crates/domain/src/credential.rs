//! What a request presents itself with: read alike by the server and by the guard of other services.

use std::fmt;

use crate::key::is_access_token;

/// The header of API keys beside `Authorization`.
pub const X_API_KEY: &str = "x-api-key";

/// What a credential looks like; nothing else is known of it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Everything that is no token.
    ApiKey,
    /// A JWT.
    AccessToken,
}

impl Looks {
    /// What `text` looks like.
    pub fn of(text: &str) -> Self {
        if is_access_token(text) { Self::AccessToken } else { Self::ApiKey }
    }
}

/// Why no credential could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// None is there.
    Missing,
    /// Two different ones are there.
    Ambiguous,
    /// Characters that no credential has.
    NotText,
    /// Another scheme than `Bearer`.
    OtherScheme,
}

impl Unreadable {
    /// The same in words, for who sent it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => {
                "this needs credentials: send `Authorization: Bearer <access token or API key>` or `X-API-Key: <API key>`"
            }
            Self::Ambiguous => "two different credentials were sent: send one",
            Self::NotText => "the credentials hold characters that no header may",
            Self::OtherScheme => "only `Authorization: Bearer <access token or API key>` is taken",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Unreadable {}

/// The one credential of a request: of the values of all `Authorization` and of all `X-API-Key` headers.
///
/// # Errors
/// [`Unreadable`] says why there is none.
pub fn presented<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
    api_key: impl IntoIterator<Item = &'a [u8]>,
) -> Result<&'a str, Unreadable> {
    let bearers = authorization.into_iter().map(bearer);
    let keys = api_key.into_iter().map(text);
    let mut found: Option<&str> = None;
    for credential in bearers.chain(keys) {
        let credential = credential?;
        match found {
            _ if credential.is_empty() => {}
            Some(other) if other != credential => return Err(Unreadable::Ambiguous),
            Some(_) | None => found = Some(credential),
        }
    }
    found.ok_or(Unreadable::Missing)
}

fn text(value: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(value).map(str::trim).map_err(|_not_utf8| Unreadable::NotText)
}

fn bearer(value: &[u8]) -> Result<&str, Unreadable> {
    let value = text(value)?;
    match value.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential.trim()),
        None if value.is_empty() || value.eq_ignore_ascii_case("bearer") => Ok(""),
        Some(_) | None => Err(Unreadable::OtherScheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(authorization: &[&'a str], api_key: &[&'a str]) -> Result<&'a str, Unreadable> {
        let bytes = |values: &[&'a str]| values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
        presented(bytes(authorization), bytes(api_key))
    }

    #[test]
    fn either_header_carries_it() {
        for (authorization, api_key) in [
            (&["Bearer k"][..], &[][..]),
            (&["bearer  k "], &[]),
            (&[], &["k"]),
            (&["Bearer k"], &["k"]),
            (&["Bearer k"], &[""]),
            (&["Bearer", ""], &[" k "]),
        ] {
            assert_eq!(of(authorization, api_key), Ok("k"), "{authorization:?} {api_key:?}");
        }
        assert_eq!(Looks::of("eyJhbGciOiJIUzI1NiJ9.e30.x"), Looks::AccessToken);
        assert_eq!(Looks::of("k"), Looks::ApiKey);
    }

    #[test]
    fn why_there_is_none_is_told() {
        for (authorization, api_key, expected) in [
            (&[][..], &[][..], Unreadable::Missing),
            (&["Bearer ", "bearer"], &[""], Unreadable::Missing),
            (&["Bearer a"], &["b"], Unreadable::Ambiguous),
            (&["Bearer a", "Bearer b"], &[], Unreadable::Ambiguous),
            (&[], &["a", "b"], Unreadable::Ambiguous),
            (&["Basic dXNlcg=="], &["k"], Unreadable::OtherScheme),
            (&["k"], &[], Unreadable::OtherScheme),
        ] {
            assert_eq!(of(authorization, api_key), Err(expected), "{authorization:?} {api_key:?}");
        }
        assert_eq!(presented([b"Bearer \xff\xfe".as_slice()], []), Err(Unreadable::NotText));
        assert_eq!(presented([], [b"\xff".as_slice()]), Err(Unreadable::NotText));
    }
}
