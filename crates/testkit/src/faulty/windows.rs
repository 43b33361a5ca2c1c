//! Saved windows.

use tollgate_domain::Time;
use tollgate_store::{Folded, Mark, SavedWindows, StoreError, WindowStore};

use super::Wrapped;

impl WindowStore for Wrapped<dyn WindowStore> {
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<Folded, StoreError> {
        self.call("windows.save", |inner| inner.save(limit, until, now))
    }

    fn load(&self, each: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError> {
        self.call("windows.load", |inner| inner.load(each))
    }
}
