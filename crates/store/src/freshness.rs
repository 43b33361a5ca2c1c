//! How a process's memory learns what others changed: by asking for changes after the last it has seen.

use crate::{ChangeListener, Directory, StoreError, Stores};

/// Changes of one step; more are fetched at once.
const PAGE: u32 = 1_000;

/// How far a process has followed the changes.
#[derive(Debug, Clone)]
pub struct Freshness {
    seen: i64,
}

impl Freshness {
    /// Starts at the latest change: to be called before anything is remembered.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn start(stores: &Stores) -> Result<Self, StoreError> {
        Ok(Self { seen: stores.changes.latest()? })
    }

    /// Makes `directory` forget what changed since the last step; all of it where changes are missing.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is forgotten then, and the next step catches up.
    pub fn step(&mut self, stores: &Stores, directory: &Directory) -> Result<(), StoreError> {
        loop {
            let changes = stores.changes.since(self.seen, PAGE)?;
            if changes.gap {
                directory.forget_all();
            } else {
                directory.changed(&changes.changes);
            }
            let caught_up = changes.changes.is_empty() || changes.upto <= self.seen;
            // After a gap the numbers may be lower: the database was set back.
            self.seen = if changes.gap { changes.upto } else { self.seen.max(changes.upto) };
            if caught_up {
                return Ok(());
            }
        }
    }
}
