//! Identity tokens of OpenID Connect issuers: Clerk, Auth0, Keycloak and their like.
//!
//! **Owns** how an issuer's keys are found (discovery, then its key set), how long they are kept, and what
//! makes a token good: the signature by a key that its issuer publishes, and every claim.
//!
//! **Must never see** users, sessions, or a database: what a good token says leaves as plain data, through the
//! port [`tollgate_accounts::external::IdentityVerifier`].
//!
//! Nothing in a token chooses what it is checked with: an algorithm belongs to a published key, a key to one
//! issuer, and an issuer to the configuration. Signatures are `ring`'s, the cryptography of our TLS; a JWT
//! library would bring a second one, and its process-wide choice is taken by our own access tokens.
//!
//! To add an algorithm: a variant of `key::Algorithm`, how its key is published in `key.rs`, and a forgery in
//! `tests/`.

mod claims;
mod discovery;
mod fetch;
mod issuer;
mod key;
mod keys;
mod members;
mod token;

use secrecy::{ExposeSecret, SecretString};
use tollgate_accounts::external::{ExternalIdentity, IdentityError, IdentityVerifier};
use tollgate_domain::Time;

pub use issuer::{Issuer, IssuersError};

use crate::{issuer::Known, token::Token};

/// Why a token is refused; for the log and for tests. Clients are told only that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("it is too long, or not three parts of base64url with JSON objects in two")]
    Malformed,
    #[error("a member of its header or its claims is there twice")]
    Duplicate,
    #[error("its algorithm is not one that is taken")]
    Algorithm,
    #[error("its header brings a key along, or has extensions that must be understood")]
    Header,
    #[error("its type is not that of an identity token")]
    Type,
    #[error("its issuer is not configured")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it has expired, is not good yet, or does not say")]
    Time,
    #[error("it names nobody, or in too many bytes")]
    Subject,
    #[error("its issuer publishes no key for it")]
    Key,
    #[error("its signature is wrong")]
    Signature,
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Refused(Refusal),
    /// The issuer's keys cannot be had.
    Unreachable,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The issuers whose tokens are taken.
pub struct Issuers(Vec<Known>);

impl Issuers {
    /// Takes tokens of `issuers`. Asks nobody: an issuer's keys are fetched for its first token.
    ///
    /// # Errors
    /// [`IssuersError`] where an issuer's settings make no sense, or TLS cannot be set up.
    pub fn new(issuers: Vec<Issuer>) -> Result<Self, IssuersError> {
        issuer::known(issuers).map(Self)
    }

    fn check(&self, text: &str, now: Time) -> Result<ExternalIdentity, Failure> {
        let token = Token::parse(text)?;
        let known = self
            .0
            .iter()
            .find(|known| token.claims.text("iss") == Some(known.settings.issuer.as_str()))
            .ok_or(Refusal::Issuer)?;
        // All that costs nothing goes first, so that only what might be good lets keys be fetched.
        let identity = claims::check(&token.claims, &known.settings, now)?;
        let key = known.keys.find(token.key_id.as_deref(), token.algorithm, now)?.ok_or(Refusal::Key)?;
        if !key.has_signed(token.signed.as_bytes(), &token.signature) {
            return Err(Refusal::Signature.into());
        }
        Ok(identity)
    }
}

impl IdentityVerifier for Issuers {
    fn verify(&self, token: &SecretString, now: Time) -> Result<ExternalIdentity, IdentityError> {
        self.check(token.expose_secret(), now).map_err(|failure| match failure {
            Failure::Refused(refusal) => {
                tracing::debug!(%refusal, "an identity token is refused");
                IdentityError::Refused
            }
            Failure::Unreachable => IdentityError::Unreachable,
        })
    }
}

#[cfg(test)]
mod tests;
