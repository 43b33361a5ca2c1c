//! Telling owners of keys that expire soon: steps of background jobs.

use chrono::TimeDelta;
use tollgate_domain::{OutboxEvent, OutboxId, OutboxKind, Time};

use crate::{Accounts, AccountsError, pieces};

/// How long before its end it is told that a key expires.
const NOTICE: TimeDelta = TimeDelta::days(7);
/// How long an event may wait to be delivered: as long as deliveries are tried.
const DELIVERED_WITHIN: TimeDelta = TimeDelta::days(3);
/// Keys and events that are looked at in one transaction.
const PIECE: u32 = 100;
/// The most pieces of one step; the rest waits for the next.
const MAX_PIECES: u32 = 50;

impl Accounts {
    /// Writes down, in bounded pieces, that keys expire within seven days: of each key once.
    ///
    /// # Errors
    /// The store's; what was written before stays so.
    pub fn tell_of_expiring_keys(&self, now: Time) -> Result<(), AccountsError> {
        for _ in 0..MAX_PIECES {
            let keys = self.stores.outbox.expiring(now, now + NOTICE, PIECE)?;
            if keys.is_empty() {
                return Ok(());
            }
            let events: Vec<_> = keys
                .into_iter()
                .map(|key| {
                    let id = OutboxId::new(now, &*self.random);
                    (key.id, OutboxEvent::of_key(id, now, OutboxKind::KeyExpiring, key.user_id, key.id))
                })
                .collect();
            self.stores.outbox.tell_expiring(&events)?;
        }
        Ok(())
    }

    /// Forgets, in bounded pieces, events that nobody took in time. Gives how many.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_outbox(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || self.stores.outbox.forget(now - DELIVERED_WITHIN, PIECE))
    }
}
