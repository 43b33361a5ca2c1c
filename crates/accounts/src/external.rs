//! Signing in with an identity token of another issuer: the port behind which tokens are verified.

use secrecy::SecretString;
use tollgate_domain::Time;

/// What a good identity token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// Who vouches for it: the issuer's identifier.
    pub issuer: String,
    /// Whom the issuer means, for ever: not empty, without controls, at most 255 bytes.
    pub subject: String,
    /// The address that the issuer knows, as it writes it.
    pub email: Option<String>,
    /// Whether the issuer has verified that address. One that it has not is nobody's.
    pub email_verified: bool,
    /// What the issuer calls the user.
    pub name: Option<String>,
    /// When the token was issued.
    pub issued_at: Time,
}

/// Why an identity token says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is not good.
    #[error("the identity token is invalid or has expired")]
    Refused,
    /// Its issuer's keys are unknown and cannot be fetched.
    #[error("the identity token's issuer cannot be reached")]
    Unreachable,
}

/// Verifies identity tokens of the issuers that are configured.
pub trait IdentityVerifier: Send + Sync {
    /// What `token` says, if it is good at `now`. May wait for its issuer, some seconds at most.
    ///
    /// # Errors
    /// [`IdentityError`].
    fn verify(&self, token: &SecretString, now: Time) -> Result<ExternalIdentity, IdentityError>;
}
