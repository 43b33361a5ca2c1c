//! From an issuer's identifier to its keys: the discovery document, then the key set that it names.

use http::{Uri, uri::Scheme};
use serde::Deserialize;

use crate::{
    fetch::{FetchError, Fetcher},
    key::KeySet,
};

/// The most bytes of a discovery document.
const MAX_DOCUMENT_BYTES: usize = 128 * 1024;
/// The most bytes of a key set.
const MAX_KEYS_BYTES: usize = 256 * 1024;

/// An issuer, and where it describes itself.
#[derive(Debug)]
pub struct Place {
    /// Its identifier.
    pub issuer: String,
    /// Its discovery document.
    pub document: Uri,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// The keys that an issuer publishes.
///
/// # Errors
/// [`FetchError`], also where the document is another issuer's, or would have the keys of an issuer with TLS
/// fetched without.
pub async fn keys(fetcher: &Fetcher, place: &Place) -> Result<KeySet, FetchError> {
    let wrong = FetchError::Unusable;
    let json = fetcher.get(&place.document, MAX_DOCUMENT_BYTES).await?;
    let document: Document =
        serde_json::from_slice(&json).map_err(|_fault| wrong("its discovery document is none"))?;
    if document.issuer != place.issuer {
        return Err(wrong("its discovery document names another issuer"));
    }
    let uri: Uri = document.jwks_uri.parse().map_err(|_fault| wrong("the address of its keys is none"))?;
    let secure = uri.scheme() == Some(&Scheme::HTTPS);
    let as_secure = place.document.scheme() == Some(&Scheme::HTTP) && uri.scheme() == Some(&Scheme::HTTP);
    if !secure && !as_secure {
        return Err(wrong("its keys would come without TLS"));
    }
    KeySet::parse(&fetcher.get(&uri, MAX_KEYS_BYTES).await?).map_err(wrong)
}
