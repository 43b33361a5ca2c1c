//! Sessions.

use tollgate_domain::{AuditEntry, Session, SessionId, Time, UserId};
use tollgate_store::{
    ListedSession, NewSession, Page, PageRequest, Rotated, Rotation, SessionStore, StoreError,
};

use super::Wrapped;

impl SessionStore for Wrapped<dyn SessionStore> {
    fn open(&self, session: &NewSession) -> Result<bool, StoreError> {
        self.call("sessions.open", |inner| inner.open(session))
    }

    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.call("sessions.by_id", |inner| inner.by_id(id))
    }

    fn by_refresh(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        self.call("sessions.by_refresh", |inner| inner.by_refresh(hash))
    }

    fn rotate(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        self.call("sessions.rotate", |inner| inner.rotate(rotation))
    }

    fn list(&self, user: UserId, page: &PageRequest, now: Time) -> Result<Page<ListedSession>, StoreError> {
        self.call("sessions.list", |inner| inner.list(user, page, now))
    }

    fn end(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError> {
        self.call("sessions.end", |inner| inner.end(id, owner, now, audit))
    }

    fn end_all(&self, user: UserId, now: Time, audit: &[AuditEntry]) -> Result<u64, StoreError> {
        self.call("sessions.end_all", |inner| inner.end_all(user, now, audit))
    }

    fn forget(&self, answers: Time, sessions: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("sessions.forget", |inner| inner.forget(answers, sessions, limit))
    }
}
