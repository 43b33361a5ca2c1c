//! `AttemptStore`.
//!
//! Whoever holds several of its rows has taken them in the order address, attempts, known addresses, and those of one
//! table in the order of their keys; the user before them, the audit log's head behind them.

use diesel::{dsl::max, prelude::*};
use tollgate_domain::{AuditEntry, Time, UserId};
use tollgate_store::{
    AddressCount, AddressHit, Attempt, AttemptStore, Attempted, Cleared, StoreError,
    attempt::{COUNTED_FOR, KNOWN_FOR},
};

use crate::{
    both::{Conn, each},
    database::{Database, Effects},
    failure::Failure,
    pg,
    schema::{address_hits, attempts, known_addresses},
    second_factor,
    types::{Id, Ts},
};

/// The width of a slot, in seconds.
const SLOT_SECONDS: i64 = 300;
/// Slots in which what an address did within the last hour can lie: twelve whole ones and a part.
const SLOTS: i64 = 13;

impl AttemptStore for Database {
    fn begin(&self, attempt: &Attempt) -> Result<Attempted, StoreError> {
        let attempt = attempt.clone();
        self.write(move |conn| {
            // First what is the same whoever is meant.
            if let Some(count) = &attempt.address
                && let Some(free_at) = count_address(conn, count, attempt.now)?
            {
                return Ok(Attempted::AddressFull(free_at));
            }
            let row = counted_by(conn, &attempt.account, &attempt.known, attempt.now)?;
            count(conn, &row, &attempt)
        })
    }

    fn count_address(&self, count: &AddressCount, now: Time) -> Result<Option<Time>, StoreError> {
        let count = *count;
        self.write(move |conn| count_address(conn, &count, now))
    }

    fn clear(
        &self,
        accounts: &[[u8; 32]],
        user: Option<UserId>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        let (accounts, audit) = (accounts.to_vec(), audit.to_vec());
        self.change(move |conn| {
            if let Some(user) = user {
                pg::lock_user(conn, user.into())?;
                second_factor::begin_anew(conn, user.into())?;
            }
            clear(conn, &accounts, user)?;
            Ok(((), Effects::new(Vec::new(), audit)))
        })
    }

    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError> {
        let hits = self.write(move |conn| forget_hits(conn, now, limit))?;
        let counts = self.write(move |conn| forget_counts(conn, now, limit))?;
        let known = self.write(move |conn| forget_known(conn, now, limit))?;
        Ok(u64::try_from(hits.saturating_add(counts).saturating_add(known)).unwrap_or(u64::MAX))
    }
}

const fn kind(hit: AddressHit) -> i16 {
    match hit {
        AddressHit::FailedLogin => 1,
        AddressHit::SignUp => 2,
        AddressHit::Mail => 3,
    }
}

const fn slot(now: Time) -> i64 {
    now.timestamp().div_euclid(SLOT_SECONDS)
}

/// The first slot that an hour which ends at `now` reaches into.
const fn first_slot(now: Time) -> i64 {
    slot(now).saturating_sub(SLOTS).saturating_add(1)
}

/// When nothing of a slot lies within the hour any more.
fn leaves(slot: i64) -> Time {
    let seconds = slot.saturating_add(SLOTS).saturating_mul(SLOT_SECONDS);
    Time::from_timestamp(seconds, 0).unwrap_or(Time::MAX_UTC)
}

/// Counts for an address, or says when that will be possible.
fn count_address(conn: &mut Conn, count: &AddressCount, now: Time) -> Result<Option<Time>, Failure> {
    pg::lock_address(conn, &count.key)?;
    let key = count.key.as_slice();
    let limit = i64::try_from(count.limit).unwrap_or(i64::MAX);
    let slots: Vec<(i64, i64)> = address_hits::table
        .filter(address_hits::kind.eq(kind(count.hit)).and(address_hits::key.eq(key)))
        .filter(address_hits::slot.ge(first_slot(now)))
        .order(address_hits::slot)
        .select((address_hits::slot, address_hits::count))
        .load(conn)?;
    let mut left: i64 = slots.iter().map(|(_, count)| count).sum();
    if left >= limit {
        for (slot, count) in slots {
            left = left.saturating_sub(count);
            if left < limit {
                return Ok(Some(leaves(slot)));
            }
        }
    }
    let row = (
        address_hits::kind.eq(kind(count.hit)),
        address_hits::key.eq(key),
        address_hits::slot.eq(slot(now)),
        address_hits::count.eq(1),
    );
    each!(conn, conn => diesel::insert_into(address_hits::table)
        .values(row)
        .on_conflict((address_hits::kind, address_hits::key, address_hits::slot))
        .do_update()
        .set(address_hits::count.eq(address_hits::count + 1))
        .execute(conn))?;
    Ok(None)
}

/// Takes a login that did not fail back, from the last slot that has one.
fn give_back(conn: &mut Conn, address: &[u8; 32], now: Time) -> Result<(), Failure> {
    pg::lock_address(conn, address)?;
    let kind = kind(AddressHit::FailedLogin);
    let key = address.as_slice();
    let last: Option<i64> = address_hits::table
        .filter(address_hits::kind.eq(kind).and(address_hits::key.eq(key)))
        .filter(address_hits::slot.ge(first_slot(now)).and(address_hits::count.gt(0)))
        .select(max(address_hits::slot))
        .first(conn)?;
    if let Some(slot) = last {
        diesel::update(address_hits::table.find((kind, key, slot)))
            .set(address_hits::count.eq(address_hits::count - 1))
            .execute(conn)?;
    }
    Ok(())
}

/// The row in which attempts count: of an address that is known, its own.
fn counted_by(
    conn: &mut Conn,
    account: &[u8; 32],
    known: &[[u8; 32]],
    now: Time,
) -> Result<Vec<u8>, Failure> {
    let found: Option<Vec<u8>> = known_addresses::table
        .filter(known_addresses::key.eq_any(known.iter().map(|key| key.as_slice())))
        .filter(known_addresses::last_at.gt(Ts::from(now - KNOWN_FOR)))
        .order(known_addresses::key)
        .select(known_addresses::key)
        .first(conn)
        .optional()?;
    Ok(found.unwrap_or_else(|| account.to_vec()))
}

/// Counts an attempt in its row.
fn count(conn: &mut Conn, row: &[u8], attempt: &Attempt) -> Result<Attempted, Failure> {
    let now = Ts::from(attempt.now);
    let empty = (
        attempts::key.eq(row),
        attempts::count.eq(0),
        attempts::locked_until.eq(None::<Ts>),
        attempts::last_at.eq(now),
    );
    // Also where it is there already the row is ours from here on: nobody takes it away before it is read.
    each!(conn, conn => diesel::insert_into(attempts::table)
        .values(empty)
        .on_conflict(attempts::key)
        .do_update()
        .set(attempts::last_at.eq(now))
        .execute(conn))?;
    let (before, locked_until): (i64, Option<Ts>) =
        attempts::table.find(row).select((attempts::count, attempts::locked_until)).first(conn)?;
    let count = before.saturating_add(1);
    let locked = locked_until.filter(|until| *until > now);
    let locks = locked.is_none() && count >= i64::from(attempt.max_attempts);
    let until = if locks { Some(Ts::from(attempt.now + attempt.lock)) } else { locked_until };
    diesel::update(attempts::table.find(row))
        .set((attempts::count.eq(count), attempts::locked_until.eq(until)))
        .execute(conn)?;
    Ok(locked.map_or(Attempted::Admitted { locks }, |until| Attempted::Locked(until.time())))
}

/// Does away with what a complete sign-in of `user` has made good, and remembers its address.
pub fn settle(conn: &mut Conn, user: UserId, cleared: &Cleared, now: Time) -> Result<(), Failure> {
    if let Some(address) = &cleared.address {
        give_back(conn, address, now)?;
    }
    let row = counted_by(conn, &cleared.account, &cleared.known, now)?;
    diesel::delete(attempts::table.find(row)).execute(conn)?;
    if let Some(newest) = cleared.known.first() {
        let seen = Ts::from(now);
        let row = (
            known_addresses::key.eq(newest.as_slice()),
            known_addresses::user_id.eq(Id::from(user)),
            known_addresses::last_at.eq(seen),
        );
        each!(conn, conn => diesel::insert_into(known_addresses::table)
            .values(row)
            .on_conflict(known_addresses::key)
            .do_update()
            .set((known_addresses::user_id.eq(Id::from(user)), known_addresses::last_at.eq(seen)))
            .execute(conn))?;
    }
    Ok(())
}

/// Does away with the counts of these accounts and of the addresses that are known to `user`.
pub fn clear(conn: &mut Conn, accounts: &[[u8; 32]], user: Option<UserId>) -> Result<(), Failure> {
    let mut keys: Vec<Vec<u8>> = accounts.iter().map(|key| key.to_vec()).collect();
    if let Some(user) = user {
        let known: Vec<Vec<u8>> = known_addresses::table
            .filter(known_addresses::user_id.eq(Id::from(user)))
            .select(known_addresses::key)
            .load(conn)?;
        keys.extend(known);
    }
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    pg::lock_attempts(conn, &keys)?;
    diesel::delete(attempts::table.filter(attempts::key.eq_any(keys))).execute(conn)?;
    Ok(())
}

fn forget_hits(conn: &mut Conn, now: Time, limit: u32) -> Result<usize, Failure> {
    let past: Vec<(i16, Vec<u8>, i64)> = address_hits::table
        .filter(address_hits::slot.lt(first_slot(now)))
        .order(address_hits::slot)
        .limit(limit.into())
        .select((address_hits::kind, address_hits::key, address_hits::slot))
        .load(conn)?;
    let mut forgotten = 0_usize;
    // A key has rows in several slots and of several kinds: they are deleted by slot, the oldest first.
    for (kind, key, slot) in past {
        let gone = diesel::delete(address_hits::table.find((kind, key, slot))).execute(conn)?;
        forgotten = forgotten.saturating_add(gone);
    }
    Ok(forgotten)
}

fn forget_counts(conn: &mut Conn, now: Time, limit: u32) -> Result<usize, Failure> {
    let idle = Ts::from(now - COUNTED_FOR);
    let keys: Vec<Vec<u8>> = attempts::table
        .filter(attempts::last_at.lt(idle))
        .filter(attempts::locked_until.is_null().or(attempts::locked_until.lt(Some(idle))))
        .order(attempts::last_at)
        .limit(limit.into())
        .select(attempts::key)
        .load(conn)?;
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    pg::lock_attempts(conn, &keys)?;
    // Whoever was counted meanwhile stays.
    Ok(diesel::delete(attempts::table.filter(attempts::key.eq_any(keys)).filter(attempts::last_at.lt(idle)))
        .execute(conn)?)
}

fn forget_known(conn: &mut Conn, now: Time, limit: u32) -> Result<usize, Failure> {
    let past = Ts::from(now - KNOWN_FOR);
    let keys: Vec<Vec<u8>> = known_addresses::table
        .filter(known_addresses::last_at.le(past))
        .order(known_addresses::last_at)
        .limit(limit.into())
        .select(known_addresses::key)
        .load(conn)?;
    Ok(diesel::delete(
        known_addresses::table
            .filter(known_addresses::key.eq_any(keys))
            .filter(known_addresses::last_at.le(past)),
    )
    .execute(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_reaches_into_thirteen_slots_and_a_slot_leaves_whole() {
        let now: Time = "2026-11-21T12:07:30Z".parse().unwrap();
        let from = |text: &str| slot(text.parse().unwrap());
        assert_eq!(first_slot(now), from("2026-11-21T11:07:30Z"));
        let first = first_slot(now);
        assert_eq!(leaves(first).to_string(), "2026-11-21 12:10:00 UTC");
        assert_eq!(first_slot(leaves(first)), first + 1);
    }
}
