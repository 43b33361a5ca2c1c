//! Sessions and their refresh tokens.

use tollgate_domain::{AuditEntry, Session, SessionId, Time, UserId};

use crate::{Cleared, Page, PageRequest, StoreError};

/// A password that was just checked.
#[derive(Debug, Clone)]
pub struct ProvedPassword {
    /// The hash that it was checked against.
    pub hash: String,
    /// What to store in place of that hash, where it is not what would be made today.
    pub replacement: Option<String>,
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The keyed hash of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// The password by which it is opened, where it is by one.
    pub password: Option<ProvedPassword>,
    /// The keyed hash of the code of an approved device that is let in by it, once.
    pub device: Option<[u8; 32]>,
    /// The attempts that it makes good, where it is the end of one.
    pub attempts: Option<Cleared>,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// A session with what lists show beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub session: Session,
    /// Its login, or its last refresh.
    pub last_seen_at: Time,
}

/// What shall take a refresh token's place.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session of the token that was presented.
    pub session: SessionId,
    /// The keyed hash of that token.
    pub presented: [u8; 32],
    /// The keyed hash of its successor.
    pub successor: [u8; 32],
    /// What the presented token is answered, sealed under it.
    pub answer: Vec<u8>,
    /// The present time.
    pub now: Time,
    /// A token that was spent after this moment may be given its answer again.
    pub forgiven_after: Time,
    /// What the audit log tells where the token was spent already and its session ends.
    pub reused: Vec<AuditEntry>,
}

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// It is spent, and its successor has taken its place.
    Fresh,
    /// It was spent a moment ago and its successor is unused: the answer that was kept then.
    Again(Vec<u8>),
    /// It was spent already. Its session has now ended.
    Reused,
    /// There is no such token, or its session is not open.
    Refused,
}

/// Where sessions are kept. What is done is told by the entries of `audit`, written in the same transaction; where
/// nothing is done, nothing is told.
pub trait SessionStore: Send + Sync {
    /// Opens a session and, with it, replaces an outdated hash of the password that opens it. `false`, and
    /// nothing is done, where the user's hash is no longer the one that was checked: a password that is changed
    /// meanwhile opens nothing. The same where the user has a second factor on and no device is let in:
    /// [`SecondFactorStore::sign_in`](crate::SecondFactorStore::sign_in) opens that session.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn open(&self, session: &NewSession) -> Result<bool, StoreError>;

    /// The session of this id, open or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// The session whose refresh token, spent or not, has this hash; open or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn by_refresh(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError>;

    /// Spends a refresh token, as [`Rotated`] says: of any number that come at once with the same token,
    /// one rotates and the others see what it did. The session counts as seen, the answer to the token
    /// before is forgotten, and its absolute end stays where it is.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn rotate(&self, rotation: &Rotation) -> Result<Rotated, StoreError>;

    /// A user's sessions that are open at `now`, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn list(&self, user: UserId, page: &PageRequest, now: Time) -> Result<Page<ListedSession>, StoreError>;

    /// Ends a session; with `owner`, only that user's. `false` where none was open.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError>;

    /// Ends every open session of a user; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end_all(&self, user: UserId, now: Time, audit: &[AuditEntry]) -> Result<u64, StoreError>;

    /// Forgets what nobody can use any more, at most `limit` records of each kind: answers to tokens that
    /// were spent before `answers`, and sessions that ended or expired before `sessions`, their tokens
    /// first. Gives how many; 0 where nothing is left.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, answers: Time, sessions: Time, limit: u32) -> Result<u64, StoreError>;
}
