//! The one door to a session: whatever a user was recognised by, a session is opened here and nowhere else.

use std::sync::Arc;

use tollgate_domain::{AuditAction, AuditSubject, Session, SessionId, User};
use tollgate_store::{NewSession, ProvedPassword};

use crate::{Accounts, AccountsError, Client, audit::By, refresh::Tokens};

/// What a user was recognised by.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The password.
    Password(ProvedPassword),
    /// Somebody with a session, who brought the second factor to it, approved the device whose code has this keyed hash.
    Approved {
        /// That hash.
        device: [u8; 32],
    },
}

/// A session was opened.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// What its calls are made with.
    pub tokens: Tokens,
    /// Who logged in.
    pub user: Arc<User>,
}

impl Accounts {
    /// Opens a session for a user who was recognised by `proof`. `None`, and nothing is opened, where that proof does
    /// not hold any more: the password was changed, or its hash replaced, since it was checked.
    ///
    /// # Errors
    /// [`AccountsError::UserDisabled`], or the store's.
    pub(crate) fn sign_in(
        &self,
        user: Arc<User>,
        proof: Proof,
        client: &Client,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        if !user.is_active {
            return Err(AccountsError::UserDisabled);
        }
        let (password, device) = match proof {
            Proof::Password(password) => (Some(password), None),
            Proof::Approved { device } => (None, Some(device)),
        };
        self.open_session(user, password, device, client)
    }

    fn open_session(
        &self,
        user: Arc<User>,
        password: Option<ProvedPassword>,
        device: Option<[u8; 32]>,
        client: &Client,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        let now = self.now();
        let session = Session {
            id: SessionId::new(now, &*self.random),
            user_id: user.id,
            created_at: now,
            expires_at: now + self.settings.session_lifetime,
            ended_at: None,
            ip: client.ip_text(),
            user_agent: client.program(),
        };
        let (tokens, refresh_hash) = self.new_tokens(user.id, session.id, now)?;
        let by = By::user(user.id, client);
        let audit = vec![self.entry(&by, AuditAction::SessionLogin, AuditSubject::Session(session.id))];
        let new = NewSession { session: session.clone(), refresh_hash, password, device, audit };
        let opened = self.stores.sessions.open(&new)?;
        Ok(opened.then_some(LoggedIn { session, tokens, user }))
    }
}
