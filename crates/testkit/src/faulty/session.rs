//! Sessions.

use tollgate_domain::{Session, SessionId, Time, UserId};
use tollgate_store::{NewSession, SessionStore, StoreError};

use super::Wrapped;

impl SessionStore for Wrapped<dyn SessionStore> {
    fn open(&self, session: &NewSession) -> Result<(), StoreError> {
        self.call("sessions.open", |inner| inner.open(session))
    }

    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.call("sessions.by_id", |inner| inner.by_id(id))
    }

    fn end(&self, id: SessionId, now: Time) -> Result<bool, StoreError> {
        self.call("sessions.end", |inner| inner.end(id, now))
    }

    fn end_all(&self, user: UserId, now: Time) -> Result<u64, StoreError> {
        self.call("sessions.end_all", |inner| inner.end_all(user, now))
    }
}
