//! What changed.

use tollgate_store::{ChangeStore, Changes, StoreError};

use super::Wrapped;

impl ChangeStore for Wrapped<dyn ChangeStore> {
    fn latest(&self) -> Result<i64, StoreError> {
        self.call("changes.latest", |inner| inner.latest())
    }

    fn since(&self, after: i64, limit: u32) -> Result<Changes, StoreError> {
        self.call("changes.since", |inner| inner.since(after, limit))
    }
}
