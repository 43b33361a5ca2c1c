//! Sessions and their refresh tokens.

use tollgate_domain::{Session, SessionId, Time, UserId};

use crate::StoreError;

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The keyed hash of its first refresh token.
    pub refresh_hash: [u8; 32],
}

/// Where sessions are kept.
pub trait SessionStore: Send + Sync {
    /// Opens a session.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn open(&self, session: &NewSession) -> Result<(), StoreError>;

    /// The session of this id, open or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Ends a session; `false` where none was open.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end(&self, id: SessionId, now: Time) -> Result<bool, StoreError>;

    /// Ends every open session of a user; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end_all(&self, user: UserId, now: Time) -> Result<u64, StoreError>;
}
