//! Logging in: a password for a session and its tokens.

use std::sync::Arc;

use secrecy::SecretString;
use tollgate_domain::{Email, Session, SessionId, User};
use tollgate_store::{NewSession, ProvedPassword};

use crate::{
    Accounts, AccountsError,
    password::{Fit, MAX_CHECKS},
    refresh::Tokens,
};

/// The most characters that are kept of a client's name of itself.
const MAX_USER_AGENT_CHARS: usize = 256;

/// A wish to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The address, as typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The address that asks.
    pub ip: Option<String>,
    /// The program that asks.
    pub user_agent: Option<String>,
}

/// A session was opened.
#[derive(Debug)]
pub struct LoggedIn {
    /// What its calls are made with.
    pub tokens: Tokens,
    /// Who logged in.
    pub user: Arc<User>,
}

impl Accounts {
    /// Opens a session for who knows the password. Takes as long for an address that nobody has. A hash that
    /// would not be made so today is replaced with it.
    ///
    /// # Errors
    /// [`AccountsError::InvalidCredentials`] for every wrong pair alike, [`AccountsError::UserDisabled`] only
    /// where the password was right, or the store's.
    pub fn login(&self, wish: &Login) -> Result<LoggedIn, AccountsError> {
        let email = wish.email.parse::<Email>().ok();
        for _ in 0..MAX_CHECKS {
            if let Some(logged_in) = self.try_login(email.as_ref(), wish)? {
                return Ok(logged_in);
            }
        }
        Err(AccountsError::InvalidCredentials)
    }

    /// `None` where the password was changed, or its hash replaced, since it was checked.
    fn try_login(&self, email: Option<&Email>, wish: &Login) -> Result<Option<LoggedIn>, AccountsError> {
        let known = email.map(|email| self.stores.users.by_email(email)).transpose()?.flatten();
        let hash = known.as_ref().and_then(|known| known.password_hash.as_deref());
        let fit = self.passwords.verify(&wish.password, hash);
        let known = known.filter(|_| fit != Fit::No).ok_or(AccountsError::InvalidCredentials)?;
        if !known.user.is_active {
            return Err(AccountsError::UserDisabled);
        }
        let replacement = match fit {
            Fit::Outdated => Some(self.passwords.hash(&wish.password, &*self.random)?),
            Fit::Yes | Fit::No => None,
        };
        let password = known.password_hash.map(|hash| ProvedPassword { hash, replacement });
        self.open_session(Arc::new(known.user), wish, password)
    }

    fn open_session(
        &self,
        user: Arc<User>,
        wish: &Login,
        password: Option<ProvedPassword>,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        let now = self.now();
        let session = Session {
            id: SessionId::new(now, &*self.random),
            user_id: user.id,
            created_at: now,
            expires_at: now + self.settings.session_lifetime,
            ended_at: None,
            ip: wish.ip.clone(),
            user_agent: wish
                .user_agent
                .as_ref()
                .map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
        };
        let (tokens, refresh_hash) = self.new_tokens(user.id, session.id, now)?;
        let opened = self.stores.sessions.open(&NewSession { session, refresh_hash, password })?;
        Ok(opened.then_some(LoggedIn { tokens, user }))
    }
}
