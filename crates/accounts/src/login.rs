//! Logging in: a password for a session and its tokens.

use std::sync::Arc;

use secrecy::SecretString;
use tollgate_domain::{Email, Session, SessionId, User};
use tollgate_store::NewSession;

use crate::{Accounts, AccountsError, refresh::Tokens};

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
    /// Opens a session for who knows the password. Takes as long for an address that nobody has.
    ///
    /// # Errors
    /// [`AccountsError::InvalidCredentials`] for every wrong pair alike, [`AccountsError::UserDisabled`] only
    /// where the password was right, or the store's.
    pub fn login(&self, wish: &Login) -> Result<LoggedIn, AccountsError> {
        let known = match wish.email.parse::<Email>() {
            Ok(email) => self.stores.users.by_email(&email)?,
            Err(_no_address) => None,
        };
        let hash = known.as_ref().and_then(|known| known.password_hash.as_deref());
        let fits = self.passwords.verify(&wish.password, hash);
        let user = known.filter(|_| fits).ok_or(AccountsError::InvalidCredentials)?.user;
        if !user.is_active {
            return Err(AccountsError::UserDisabled);
        }
        self.open_session(Arc::new(user), wish)
    }

    fn open_session(&self, user: Arc<User>, wish: &Login) -> Result<LoggedIn, AccountsError> {
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
        self.stores.sessions.open(&NewSession { session, refresh_hash })?;
        Ok(LoggedIn { tokens, user })
    }
}
