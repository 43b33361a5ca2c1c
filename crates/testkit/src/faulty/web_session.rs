//! Sessions of browsers.

use tollgate_domain::{Session, SessionId, Time};
use tollgate_store::{StoreError, WebSessionStore};

use super::Wrapped;

impl WebSessionStore for Wrapped<dyn WebSessionStore> {
    fn open(&self, hash: &[u8; 32], session: SessionId, now: Time) -> Result<bool, StoreError> {
        self.call("web_sessions.open", |inner| inner.open(hash, session, now))
    }

    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        self.call("web_sessions.by_hash", |inner| inner.by_hash(hash))
    }
}
