//! How many keys that nobody has an address may present, in memory: nothing waits for a database before a key is
//! looked up.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tollgate_domain::{AddressKey, Time, WindowKind, window::WindowTable};

use crate::Refusal;

/// The most addresses of which something is remembered.
const MAX_ADDRESSES: usize = 50_000;

/// What each address presented that turned out to be unknown.
pub(crate) struct UnknownKeys {
    limit: u64,
    seen: Mutex<WindowTable<AddressKey>>,
}

impl UnknownKeys {
    /// At most `limit` from an address within any hour.
    pub fn new(limit: u64) -> Self {
        Self { limit, seen: Mutex::new(WindowTable::new(WindowKind::Hour, MAX_ADDRESSES)) }
    }

    /// Whether one more may be looked up for this address.
    ///
    /// # Errors
    /// [`Refusal::TooManyUnknownKeys`].
    pub fn check(&self, from: Option<IpAddr>, now: Time) -> Result<(), Refusal> {
        let Some(address) = from.map(AddressKey::from) else { return Ok(()) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.free_at(address, self.limit, now) {
            None => Ok(()),
            Some(free_at) => {
                let retry_after = (free_at - now).to_std().unwrap_or(Duration::ZERO);
                Err(Refusal::TooManyUnknownKeys { retry_after })
            }
        }
    }

    /// Counts one that nobody has.
    pub fn count(&self, from: Option<IpAddr>, now: Time) {
        if let Some(address) = from.map(AddressKey::from) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).add(address, now);
        }
    }
}
