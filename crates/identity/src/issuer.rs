//! Issuers as they are configured.

use std::sync::Arc;

use http::{Uri, uri::Scheme};

use crate::{discovery::Place, fetch::Fetcher, keys::Keys};

/// An issuer whose identity tokens are taken.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What it is called in the log.
    pub name: String,
    /// Its identifier: `iss` of its tokens, to the letter, and where its discovery document is found.
    pub issuer: String,
    /// What `aud` must contain.
    pub audience: Option<String>,
    /// What `azp` must be one of, unless empty. Also whom `aud`, where it is there, may name when no audience is
    /// configured.
    pub authorized_parties: Vec<String>,
}

/// Why issuers cannot be used as they are configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// Nothing would tell whether a token is meant for us.
    #[error("the identity provider `{0}` has neither an audience nor authorized parties")]
    ForAnybody(String),
    /// An identifier that is no address.
    #[error("the issuer of identity provider `{0}` is not an http:// or https:// address")]
    Address(String),
    /// Two of the same identifier.
    #[error("the identity provider `{0}` has the issuer of another")]
    Duplicate(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// An issuer with its keys.
pub struct Known {
    pub settings: Issuer,
    pub keys: Arc<Keys>,
}

/// Issuers ready to be asked.
///
/// # Errors
/// [`IssuersError`].
pub fn known(issuers: Vec<Issuer>) -> Result<Vec<Known>, IssuersError> {
    let fetcher = Arc::new(Fetcher::new().map_err(IssuersError::Tls)?);
    let mut known: Vec<Known> = Vec::with_capacity(issuers.len());
    for settings in issuers {
        let name = || settings.name.clone();
        if settings.audience.is_none() && settings.authorized_parties.is_empty() {
            return Err(IssuersError::ForAnybody(name()));
        }
        if known.iter().any(|other| other.settings.issuer == settings.issuer) {
            return Err(IssuersError::Duplicate(name()));
        }
        let place = place(&settings.issuer).ok_or_else(|| IssuersError::Address(name()))?;
        let keys = Arc::new(Keys::new(name(), place, Arc::clone(&fetcher)));
        known.push(Known { settings, keys });
    }
    Ok(known)
}

/// Where an issuer's discovery document is.
fn place(issuer: &str) -> Option<Place> {
    let base: Uri = issuer.parse().ok()?;
    let http = base.scheme() == Some(&Scheme::HTTP) || base.scheme() == Some(&Scheme::HTTPS);
    let plain = base.query().is_none() && base.authority().is_some_and(|place| !place.as_str().contains('@'));
    if !http || !plain {
        return None;
    }
    let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Some(Place { issuer: issuer.to_owned(), document: document.parse().ok()? })
}
