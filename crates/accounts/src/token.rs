//! Access tokens (JWT, HS256) and the opaque tokens that renew them.
//!
//! The algorithm is pinned, nothing in a token's header is believed, and the time is an argument. No clock
//! has any leeway for the end of a token; its beginning is not checked, since only our own secret can have
//! written it and another server's clock may be a moment ahead.

mod hs256;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tollgate_domain::{Pepper, Randomness, SessionId, Time, UserId, random};

use crate::AccountsError;

/// `aud` of every access token.
const AUDIENCE: &str = "tollgate";
/// `typ` of access tokens; no token of another kind is taken for one.
const ACCESS: &str = "access";
/// What keeps a refresh token's hash apart from every other kind's.
const REFRESH_PURPOSE: &str = "refresh";
/// The longest text that is looked at as an access token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 2_048;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    exp: i64,
    iat: i64,
    jti: String,
    typ: String,
}

/// What a good access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Whose it is.
    pub user_id: UserId,
    /// The session without which it is useless.
    pub session_id: SessionId,
}

/// Signs and verifies access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    validation: Validation,
    issuer: String,
    lifetime: TimeDelta,
}

impl AccessTokens {
    /// Signs with the first of `secrets` and verifies with each.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when there is no secret.
    pub fn new(secrets: &[SecretString], issuer: &str, lifetime: TimeDelta) -> Result<Self, AccountsError> {
        hs256::install();
        let first = secrets.first().ok_or(AccountsError::Internal("there is no secret to sign with"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "sub", "iss", "aud"]);
        // The library would ask the machine for the time; `verify` compares with its argument.
        validation.validate_exp = false;
        validation.leeway = 0;
        Ok(Self {
            signing: EncodingKey::from_secret(first.expose_secret().as_bytes()),
            verifying: secrets
                .iter()
                .map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()))
                .collect(),
            validation,
            issuer: issuer.to_owned(),
            lifetime,
        })
    }

    /// How long a token is good.
    pub const fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// A token for `access`, good from `now` on.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when signing fails.
    pub fn sign(
        &self,
        access: Access,
        now: Time,
        source: &dyn Randomness,
    ) -> Result<SecretString, AccountsError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: access.user_id.to_string(),
            sid: access.session_id.to_string(),
            exp: (now + self.lifetime).timestamp(),
            iat: now.timestamp(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<16>(source)),
            typ: ACCESS.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map(SecretString::from)
            .map_err(|_why| AccountsError::Internal("signing an access token failed"))
    }

    /// What `token` says, if one of the secrets signed it and it is good at `now`.
    pub fn verify(&self, token: &str, now: Time) -> Option<Access> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let claims = self
            .verifying
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok())?
            .claims;
        let good = claims.typ == ACCESS && now.timestamp() < claims.exp && claims.iat <= claims.exp;
        let access = Access { user_id: claims.sub.parse().ok()?, session_id: claims.sid.parse().ok()? };
        good.then_some(access)
    }
}

/// A new refresh token, and the hash under which it is stored.
pub fn new_refresh_token(pepper: &Pepper, source: &dyn Randomness) -> (SecretString, [u8; 32]) {
    let text = BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<32>(source));
    let hash = refresh_hashes(pepper, &text).into_iter().next().unwrap_or_default();
    (SecretString::from(text), hash)
}

/// The hashes under which a refresh token may be stored, the newest pepper's first.
pub fn refresh_hashes(pepper: &Pepper, token: &str) -> Vec<[u8; 32]> {
    pepper.token_hashes(REFRESH_PURPOSE, token.as_bytes())
}

#[cfg(test)]
mod tests;
