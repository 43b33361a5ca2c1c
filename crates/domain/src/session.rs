//! Sessions: what a login opens and a logout ends.

use crate::{SessionId, Time, UserId};

/// A session. Access tokens name it and are useless from the moment it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, `sid` in access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When the login opened it.
    pub created_at: Time,
    /// Its absolute end, which refreshing never moves.
    pub expires_at: Time,
    /// When it was ended before that, if it was.
    pub ended_at: Option<Time>,
    /// The address that logged in.
    pub ip: Option<String>,
    /// The program that logged in, cut to a bounded length.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether it is open at `now`.
    pub fn is_open(&self, now: Time) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}
