//! From the first factor to a session: a token, and a code with it.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{AuditAction, AuditSubject, Time, User, UserId, random};
use tollgate_store::{NewChallenge, NewSession, ProvedPassword, Verdict};

use super::{TOKEN_LIFETIME, TOKEN_PURPOSE};
use crate::{
    Accounts, AccountsError, By, Client, password::MAX_CHECKS, sign_in::LoggedIn, token::MAX_TOKEN_BYTES,
};

impl Accounts {
    /// Whether a code is asked for before `user` gets a session.
    pub(crate) fn needs_second_factor(&self, user: UserId) -> Result<bool, AccountsError> {
        Ok(self.stores.second_factors.of_user(user)?.secret.is_some())
    }

    /// A token that stands for the first factor, which is proved. `None` where that proof does not hold any more, or no
    /// second factor is on by now.
    pub(crate) fn ask_for_second_factor(
        &self,
        user: &User,
        password: Option<ProvedPassword>,
        client: &Client,
    ) -> Result<Option<SecretString>, AccountsError> {
        let now = self.now();
        let text = BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<32>(&*self.random));
        let by = By { user: Some(user.id), ..By::anonymous(client) };
        let challenge = NewChallenge {
            token: self.mfa_hashes(&text).into_iter().next().unwrap_or_default(),
            user: user.id,
            password,
            created_at: now,
            expires_at: now + TOKEN_LIFETIME,
            audit: vec![self.entry(&by, AuditAction::SecondFactorRequired, AuditSubject::User(user.id))],
        };
        let kept = self.stores.second_factors.challenge(&challenge)?;
        Ok(kept.then(|| SecretString::from(text)))
    }

    /// Opens a session for whoever brought the first factor and has a code of the second, from an authenticator or a
    /// backup code.
    ///
    /// # Errors
    /// [`AccountsError::InvalidMfaToken`] where the token is none, has expired, was used, or the first factor that it
    /// stands for is none any more; [`AccountsError::WrongCode`], which is counted;
    /// [`AccountsError::TooManyAttempts`]; [`AccountsError::UserDisabled`]; or the store's.
    pub fn verify_second_factor(
        &self,
        mfa_token: &SecretString,
        code: &SecretString,
        client: &Client,
    ) -> Result<LoggedIn, AccountsError> {
        for _ in 0..MAX_CHECKS {
            let (token, user) = self.challenged(mfa_token)?.ok_or(AccountsError::InvalidMfaToken)?;
            // From the store: what another process knows of the user counts as well.
            let user = self.stores.users.by_id(user)?.ok_or(AccountsError::InvalidMfaToken)?;
            if !user.is_active {
                return Err(AccountsError::UserDisabled);
            }
            let factor = self.stores.second_factors.of_user(user.id)?;
            if factor.secret.is_none() {
                return Err(AccountsError::InvalidMfaToken);
            }
            let failed = By { user: Some(user.id), ..By::anonymous(client) };
            let attempt = self.looked_at(&user, &factor, code, &failed, &By::user(user.id, client))?;
            let user = Arc::new(user);
            let (new, tokens) = self.new_session(&user, client)?;
            let new = NewSession { attempts: self.made_good(&user, client), ..new };
            match self.stores.second_factors.sign_in(&new, &token, &attempt)? {
                Verdict::Done => return Ok(LoggedIn { session: new.session, tokens, user }),
                Verdict::Stale => {}
                Verdict::WrongCode => return Err(AccountsError::WrongCode),
                Verdict::TooManyCodes { until } => return Err(paused(until, attempt.now)),
            }
        }
        Err(AccountsError::InvalidMfaToken)
    }

    /// The hash of a good token, and whose it is.
    fn challenged(&self, token: &SecretString) -> Result<Option<([u8; 32], UserId)>, AccountsError> {
        let text = token.expose_secret();
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        Ok(self.stores.second_factors.challenged(&self.mfa_hashes(text), self.now())?)
    }

    fn mfa_hashes(&self, token: &str) -> Vec<[u8; 32]> {
        self.settings.pepper.token_hashes(TOKEN_PURPOSE, token.as_bytes())
    }
}

/// What is said while no code is taken.
pub(super) fn paused(until: Time, now: Time) -> AccountsError {
    AccountsError::TooManyAttempts { retry_after: crate::attempt::seconds_until(until, now) }
}
