//! The one door to a session: whatever a user was recognised by, a session is opened here and nowhere else.

use std::sync::Arc;

use tollgate_domain::{AuditAction, AuditSubject, Session, SessionId, User};
use tollgate_store::{AddressHit, NewSession, ProvedPassword};

use crate::{Accounts, AccountsError, Client, audit::By, refresh::Tokens};

/// What a user was recognised by.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The password.
    Password(ProvedPassword),
    /// An identity token of an issuer whose word is taken.
    Identity,
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
    /// Opens a session for a user who was recognised by `proof`, unless a second factor is on that is not part of it.
    /// `None`, and nothing is opened, where that proof does not hold any more: the password was changed, its hash
    /// replaced, or the second factor switched on or off since it was checked.
    ///
    /// # Errors
    /// [`AccountsError::MfaRequired`], [`AccountsError::AddressLimit`], [`AccountsError::UserDisabled`], [`AccountsError::EmailNotVerified`], or the
    /// store's.
    pub(crate) fn sign_in(
        &self,
        user: Arc<User>,
        proof: Proof,
        client: &Client,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        if !user.is_active {
            return Err(AccountsError::UserDisabled);
        }
        if self.settings.require_verified_email && user.email.is_some() && !user.is_verified {
            return Err(AccountsError::EmailNotVerified);
        }
        let (password, device) = match proof {
            Proof::Password(password) => (Some(password), None),
            Proof::Identity => (None, None),
            Proof::Approved { device } => (None, Some(device)),
        };
        // The store refuses as well: it may be switched on in this moment.
        if device.is_none() && self.needs_second_factor(user.id)? {
            if password.is_none() {
                // As a password has, which the code's session gives back.
                self.count_address(AddressHit::FailedLogin, client)?;
            }
            let asked = self.ask_for_second_factor(&user, password, client)?;
            return asked.map_or(Ok(None), |mfa_token| Err(AccountsError::MfaRequired { mfa_token }));
        }
        let (new, tokens) = self.new_session(&user, client)?;
        // What was tried with the password is made good by nothing but a session.
        let attempts = password.as_ref().and_then(|_| self.made_good(&user, client));
        let new = NewSession { password, device, attempts, ..new };
        let opened = self.stores.sessions.open(&new)?;
        Ok(opened.then_some(LoggedIn { session: new.session, tokens, user }))
    }

    /// A session for `user`, and its tokens; it is opened by the store.
    pub(crate) fn new_session(
        &self,
        user: &User,
        client: &Client,
    ) -> Result<(NewSession, Tokens), AccountsError> {
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
        let (password, device, attempts) = (None, None, None);
        Ok((NewSession { session, refresh_hash, password, device, attempts, audit }, tokens))
    }
}
