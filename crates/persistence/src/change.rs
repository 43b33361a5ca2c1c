//! `ChangeStore`: the numbered list of what changed.

use chrono::TimeDelta;
use diesel::prelude::*;
use tollgate_domain::Time;
use tollgate_store::{Change, ChangeStore, Changes, StoreError};

use crate::{
    both::{Conn, snapshot},
    database::Database,
    failure::Failure,
    schema::{change_counter, changes},
    types::{Id, Ts},
};

/// How long a change is kept: who has not looked for so long forgets everything.
const KEPT_FOR: TimeDelta = TimeDelta::hours(1);
/// The most changes kept.
const KEPT: i64 = 100_000;
/// Old changes are thrown away by every so-manieth.
const PRUNED_EVERY: i64 = 1_000;

/// Numbers changes and lists them. The last step of a transaction: from here to the commit everybody else
/// who changes something waits.
pub fn number(conn: &mut Conn, changed: &[Change], now: Time) -> Result<(), Failure> {
    if changed.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(changed.len()).unwrap_or(i64::MAX);
    let last: i64 = diesel::update(change_counter::table)
        .set(change_counter::number.eq(change_counter::number + count))
        .returning(change_counter::number)
        .get_result(conn)?;
    let before = last.saturating_sub(count);
    for (number, change) in (before.saturating_add(1)..).zip(changed) {
        let (kind, subject) = parts(change);
        diesel::insert_into(changes::table)
            .values((
                changes::id.eq(number),
                changes::kind.eq(kind),
                changes::subject.eq(subject),
                changes::at.eq(Ts::from(now)),
            ))
            .execute(conn)?;
    }
    if before.div_euclid(PRUNED_EVERY) != last.div_euclid(PRUNED_EVERY) {
        diesel::delete(changes::table)
            .filter(changes::id.le(last.saturating_sub(KEPT)).or(changes::at.lt(Ts::from(now - KEPT_FOR))))
            .execute(conn)?;
    }
    Ok(())
}

fn parts(change: &Change) -> (&'static str, Id) {
    match change {
        Change::User(id) => ("user", (*id).into()),
        Change::Key(id) => ("key", (*id).into()),
        Change::Session(id) => ("session", (*id).into()),
    }
}

fn change((kind, subject): (String, Id)) -> Result<Change, StoreError> {
    match kind.as_str() {
        "user" => Ok(Change::User(subject.into())),
        "key" => Ok(Change::Key(subject.into())),
        "session" => Ok(Change::Session(subject.into())),
        _ => Err(StoreError::Corrupt { table: "changes", what: "kind" }),
    }
}

fn latest(conn: &mut Conn) -> Result<i64, Failure> {
    Ok(change_counter::table.select(change_counter::number).first(conn)?)
}

impl ChangeStore for Database {
    fn latest(&self) -> Result<i64, StoreError> {
        self.lookup(latest)
    }

    fn since(&self, after: i64, limit: u32) -> Result<Changes, StoreError> {
        let (latest, rows) = self.lookup(move |conn| {
            snapshot(conn, |conn| {
                let rows: Vec<(i64, String, Id)> = changes::table
                    .filter(changes::id.gt(after))
                    .order(changes::id)
                    .limit(limit.into())
                    .select((changes::id, changes::kind, changes::subject))
                    .load(conn)?;
                Ok((latest(conn)?, rows))
            })
        })?;
        // A counter behind the caller's number is another database than the one they asked before.
        let unbroken = rows.iter().zip(after.saturating_add(1)..).all(|((id, ..), expected)| *id == expected);
        if latest < after || !unbroken || (rows.is_empty() && latest > after && limit > 0) {
            return Ok(Changes { upto: latest, changes: Vec::new(), gap: true });
        }
        let upto = rows.last().map_or(after, |(id, ..)| *id);
        let changes =
            rows.into_iter().map(|(_, kind, subject)| change((kind, subject))).collect::<Result<_, _>>()?;
        Ok(Changes { upto, changes, gap: false })
    }
}
