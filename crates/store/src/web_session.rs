//! Sessions of browsers: what a cookie stands for.

use tollgate_domain::{Session, SessionId, Time};

use crate::StoreError;

/// Where it is kept which cookie stands for which session. A session that a cookie stands for has no refresh token,
/// and goes with all that belongs to it wherever sessions go.
pub trait WebSessionStore: Send + Sync {
    /// Lets a cookie, by its keyed hash, stand for a session that was just opened, in place of its refresh token.
    /// `false`, and nothing is done, where the session is not open at `now`.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn open(&self, hash: &[u8; 32], session: SessionId, now: Time) -> Result<bool, StoreError>;

    /// The session that the cookie of this hash stands for; open or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError>;
}
