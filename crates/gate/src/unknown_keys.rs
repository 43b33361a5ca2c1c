//! How many keys that nobody has an address may present, in memory: nothing waits for a database before a key is
//! looked up.

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tollgate_domain::{AddressKey, KeyHash, Time, WindowKind, window::WindowTable};

use crate::Refusal;

/// The most addresses of which something is remembered.
const MAX_ADDRESSES: usize = 50_000;

/// The most keys of which it is remembered that somebody has them.
const MAX_FOUND: usize = 50_000;

/// What each address presented that turned out to be unknown.
pub(crate) struct UnknownKeys {
    limit: u64,
    seen: Mutex<WindowTable<AddressKey>>,
    found: Mutex<Found>,
}

/// Keys that somebody has. With every change of theirs or their user's they are looked up anew, which nobody else at
/// their address may keep them from. The oldest makes room.
#[derive(Default)]
struct Found {
    hashes: HashSet<KeyHash>,
    order: VecDeque<KeyHash>,
}

impl UnknownKeys {
    /// At most `limit` from an address within any hour.
    pub fn new(limit: u64) -> Self {
        let seen = Mutex::new(WindowTable::new(WindowKind::Hour, MAX_ADDRESSES));
        Self { limit, seen, found: Mutex::default() }
    }

    /// Whether a key with one of these hashes may be looked up for this address.
    ///
    /// # Errors
    /// [`Refusal::TooManyUnknownKeys`].
    pub fn check(&self, hashes: &[KeyHash], from: Option<IpAddr>, now: Time) -> Result<(), Refusal> {
        let Some(address) = from.map(AddressKey::from) else { return Ok(()) };
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.iter().any(|hash| found.hashes.contains(hash)) {
            return Ok(());
        }
        drop(found);
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

    /// Remembers that somebody has a key with one of these hashes.
    pub fn found(&self, hashes: &[KeyHash]) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            if found.hashes.insert(*hash) {
                found.order.push_back(*hash);
            }
        }
        while found.order.len() > MAX_FOUND {
            let Some(oldest) = found.order.pop_front() else { break };
            found.hashes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> KeyHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        KeyHash(bytes)
    }

    #[test]
    fn a_key_that_somebody_has_is_looked_up_whatever_else_its_address_presents() {
        let (keys, from, now) = (UnknownKeys::new(1), Some([192, 0, 2, 1].into()), Time::UNIX_EPOCH);
        keys.found(&[hash(1), hash(2)]);
        keys.count(from, now);
        for known in [1, 2] {
            assert_eq!(keys.check(&[hash(9), hash(known)], from, now), Ok(()));
        }
        assert!(keys.check(&[hash(3)], from, now).is_err());
        assert_eq!(keys.check(&[hash(3)], Some([192, 0, 2, 2].into()), now), Ok(()));
        // Not without end: the oldest makes room.
        (10..10 + MAX_FOUND).for_each(|number| keys.found(&[hash(number), hash(number)]));
        assert!(keys.check(&[hash(2)], from, now).is_err());
        assert_eq!(keys.check(&[hash(10)], from, now), Ok(()));
        let found = keys.found.lock().unwrap();
        assert_eq!((found.hashes.len(), found.order.len()), (MAX_FOUND, MAX_FOUND));
    }
}
