//! Whether an access token is good: its signature and time, its session, its user.

use std::sync::Arc;

use tollgate_domain::{Session, Time, User};
use tollgate_store::Lookup;

use crate::{Accounts, AccountsError, token::Access};

/// A user with an open session.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: Arc<User>,
    /// The session.
    pub session: Arc<Session>,
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
    pub fn check(&self, token: &str, now: Time) -> Checked {
        let Some(access) = self.tokens.verify(token, now) else {
            return Checked::Refused(AccountsError::InvalidToken);
        };
        match (self.directory.session(access.session_id, now), self.directory.user(access.user_id, now)) {
            (Lookup::Known(session), Lookup::Known(user)) => match identity(access, session, user, now) {
                Ok(identity) => Checked::Good(identity),
                Err(refusal) => Checked::Refused(refusal),
            },
            // A session opened a moment ago may still be remembered as absent: the store knows.
            (_, _) => Checked::Ask(access),
        }
    }

    /// Reads what [`Accounts::check`] did not know, and remembers it.
    ///
    /// # Errors
    /// [`AccountsError::InvalidToken`], [`AccountsError::UserDisabled`], or the store's.
    pub fn load(&self, access: Access) -> Result<Identity, AccountsError> {
        let now = self.now();
        let session = match self.directory.session(access.session_id, now) {
            Lookup::Known(session) => session,
            Lookup::Absent | Lookup::Ask => self
                .directory
                .load_session(&self.stores, access.session_id, now)?
                .ok_or(AccountsError::InvalidToken)?,
        };
        let user = match self.directory.user(access.user_id, now) {
            Lookup::Known(user) => user,
            Lookup::Absent | Lookup::Ask => self
                .directory
                .load_user(&self.stores, access.user_id, now)?
                .ok_or(AccountsError::InvalidToken)?,
        };
        identity(access, session, user, now)
    }
}

fn identity(
    access: Access,
    session: Arc<Session>,
    user: Arc<User>,
    now: Time,
) -> Result<Identity, AccountsError> {
    if session.user_id != access.user_id || !session.is_open(now) {
        return Err(AccountsError::InvalidToken);
    }
    if !user.is_active {
        return Err(AccountsError::UserDisabled);
    }
    Ok(Identity { user, session })
}
