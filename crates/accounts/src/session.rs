//! Whether an access token is good: its signature and time, its session, its user. And what users do with
//! their sessions: list and end them.

use std::sync::Arc;

use tollgate_domain::{AuditAction, AuditSubject, Permissions, Session, SessionId, Time, User, UserId};
use tollgate_store::{ListedSession, Lookup, Maker, Page, PageRequest};

use crate::{Accounts, AccountsError, By, Client, key::ceiling, token::Access};

/// A user with an open session.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: Arc<User>,
    /// The session.
    pub session: Arc<Session>,
    /// From where.
    pub client: Client,
}

impl Identity {
    /// Who the audit log names, and with what keys are made.
    pub fn by(&self) -> By {
        By { maker: Some(Maker::Session(self.session.id)), ..By::user(self.user.id, &self.client) }
    }
}

/// What can be said of an access token without asking a store.
#[derive(Debug)]
pub enum Checked {
    /// It is good.
    Good(Identity),
    /// It is not: [`AccountsError::InvalidToken`] or [`AccountsError::UserDisabled`].
    Refused(AccountsError),
    /// [`Accounts::load`] must be asked, on a thread that may wait.
    Ask(Access),
}

impl Accounts {
    /// Checks an access token at `now` from memory alone; never waits.
    pub fn check(&self, token: &str, client: &Client, now: Time) -> Checked {
        let Some(access) = self.tokens.verify(token, now) else {
            return Checked::Refused(AccountsError::InvalidToken);
        };
        match (self.directory.session(access.session_id, now), self.directory.user(access.user_id, now)) {
            (Lookup::Known(session), Lookup::Known(user)) => {
                match identity(access, session, user, client, now) {
                    Ok(identity) => Checked::Good(identity),
                    Err(refusal) => Checked::Refused(refusal),
                }
            }
            // A session opened a moment ago may still be remembered as absent: the store knows.
            (_, _) => Checked::Ask(access),
        }
    }

    /// Reads what [`Accounts::check`] did not know, and remembers it.
    ///
    /// # Errors
    /// [`AccountsError::InvalidToken`], [`AccountsError::UserDisabled`], or the store's.
    pub fn load(&self, access: Access, client: &Client) -> Result<Identity, AccountsError> {
        let now = self.now();
        let session = match self.directory.session(access.session_id, now) {
            Lookup::Known(session) => session,
            Lookup::Absent | Lookup::Ask => self
                .directory
                .load_session(&self.stores, access.session_id, now)?
                .ok_or(AccountsError::InvalidToken)?,
        };
        let user = self.user(access.user_id, now)?.ok_or(AccountsError::InvalidToken)?;
        identity(access, session, user, client, now)
    }

    /// What an access token of `user` allows elsewhere: all that a key of theirs may be given.
    pub fn permissions_of(&self, user: &User) -> Permissions {
        ceiling::grantable(user, &self.settings.default_permissions)
    }

    /// Ends the session of `caller`, or with `all` every session of that user. Their access tokens are
    /// useless at once.
    ///
    /// # Errors
    /// The store's.
    pub fn log_out(&self, caller: &Identity, all: bool) -> Result<(), AccountsError> {
        let now = self.now();
        let told = |subject| [self.entry(&caller.by(), AuditAction::SessionLogout, subject)];
        if all {
            let audit = told(AuditSubject::User(caller.user.id));
            self.stores.sessions.end_all(caller.user.id, now, &audit)?;
        } else {
            // Where another call has just ended it, it has ended all the same.
            let audit = told(AuditSubject::Session(caller.session.id));
            self.stores.sessions.end(caller.session.id, None, now, &audit)?;
        }
        Ok(())
    }

    /// The user's open sessions, newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn list_sessions(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<ListedSession>, AccountsError> {
        Ok(self.stores.sessions.list(user, page, self.now())?)
    }

    /// Ends one of the caller's open sessions.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] where it is not open or not the user's, or the store's.
    pub fn end_session(&self, caller: &Identity, id: SessionId) -> Result<(), AccountsError> {
        let audit = [self.entry(&caller.by(), AuditAction::SessionLogout, AuditSubject::Session(id))];
        let ended = self.stores.sessions.end(id, Some(caller.user.id), self.now(), &audit)?;
        if ended { Ok(()) } else { Err(AccountsError::NotFound("session")) }
    }

    /// The user of this id, from memory or the store.
    pub(crate) fn user(&self, id: UserId, now: Time) -> Result<Option<Arc<User>>, AccountsError> {
        match self.directory.user(id, now) {
            Lookup::Known(user) => Ok(Some(user)),
            Lookup::Absent | Lookup::Ask => Ok(self.directory.load_user(&self.stores, id, now)?),
        }
    }
}

pub(crate) fn identity(
    access: Access,
    session: Arc<Session>,
    user: Arc<User>,
    client: &Client,
    now: Time,
) -> Result<Identity, AccountsError> {
    if session.user_id != access.user_id || !session.is_open(now) {
        return Err(AccountsError::InvalidToken);
    }
    if !user.is_active {
        return Err(AccountsError::UserDisabled);
    }
    Ok(Identity { user, session, client: client.clone() })
}
