//! `ErasureStore`.

use diesel::prelude::*;
use tollgate_domain::{Time, UsageEvent, UserId};
use tollgate_store::{
    ErasureStore, LogMark, StoreError, UsageScope,
    erasure::{BETWEEN_SWEEPS, LATECOMERS},
};

use crate::{
    audit,
    both::Conn,
    database::Database,
    failure::Failure,
    log,
    schema::{erasures, usage_events},
    types::{Id, Ts},
};

/// What stands in place of parameters.
const NO_PARAMS: &str = "{}";

type Row = (Ts, Option<Ts>, Option<Id>);

/// Writes down that a user was deleted. Part of the transaction that does it.
pub(crate) fn insert(conn: &mut Conn, user: UserId, now: Time) -> Result<(), Failure> {
    diesel::insert_into(erasures::table)
        .values((erasures::user_id.eq(Id::from(user)), erasures::deleted_at.eq(Ts::from(now))))
        .execute(conn)?;
    Ok(())
}

impl ErasureStore for Database {
    fn due(&self, now: Time) -> Result<Option<UserId>, StoreError> {
        let swept_before = Ts::from(now - BETWEEN_SWEEPS);
        self.read(move |conn| {
            let user: Option<Id> = erasures::table
                .filter(erasures::swept_at.is_null().or(erasures::swept_at.lt(swept_before)))
                .order(erasures::deleted_at)
                .select(erasures::user_id)
                .first(conn)
                .optional()?;
            Ok(user.map(UserId::from))
        })
    }

    fn sweep(&self, user: UserId, now: Time, limit: u32) -> Result<bool, StoreError> {
        let Some((deleted_at, after)) = self.read(move |conn| found(conn, user))? else { return Ok(false) };
        // Read apart: SQLite's one writer is not held up by what is looked for.
        let scope = UsageScope { user: Some(user), ..UsageScope::default() };
        let page = self.report(move |conn| log::page(conn, &scope, limit, after))?;
        self.write(move |conn| {
            for event in page.items.iter().filter(|event| tells_of_a_person(event)) {
                strip(conn, event)?;
            }
            let entries = audit::erase(conn, user, limit)?;
            let row = erasures::table.find(Id::from(user));
            if let Some(mark) = page.next {
                let place = (
                    erasures::mark_time.eq(Some(Ts::from(mark.time))),
                    erasures::mark_id.eq(Some(Id::from(mark.id))),
                );
                diesel::update(row).set(place).execute(conn)?;
                return Ok(true);
            }
            if entries > 0 {
                return Ok(true);
            }
            if deleted_at.time() + LATECOMERS < now {
                diesel::delete(row).execute(conn)?;
            } else {
                let ended = (
                    erasures::mark_time.eq(None::<Ts>),
                    erasures::mark_id.eq(None::<Id>),
                    erasures::swept_at.eq(Some(Ts::from(now))),
                );
                diesel::update(row).set(ended).execute(conn)?;
            }
            Ok(false)
        })
    }
}

fn found(conn: &mut Conn, user: UserId) -> Result<Option<(Ts, Option<LogMark>)>, Failure> {
    let row: Option<Row> = erasures::table
        .find(Id::from(user))
        .select((erasures::deleted_at, erasures::mark_time, erasures::mark_id))
        .first(conn)
        .optional()?;
    Ok(row.map(|(deleted_at, time, id)| {
        let mark = time.zip(id).map(|(time, id)| LogMark { time: time.time(), id: id.into() });
        (deleted_at, mark)
    }))
}

fn tells_of_a_person(event: &UsageEvent) -> bool {
    event.ip.is_some() || event.user_agent.is_some() || event.end_user.is_some() || event.params != NO_PARAMS
}

fn strip(conn: &mut Conn, event: &UsageEvent) -> Result<(), Failure> {
    diesel::update(usage_events::table.find((Ts::from(event.time), Id::from(event.id))))
        .set((
            usage_events::ip.eq(None::<String>),
            usage_events::user_agent.eq(None::<String>),
            usage_events::end_user.eq(None::<String>),
            usage_events::params.eq(NO_PARAMS),
        ))
        .execute(conn)?;
    Ok(())
}
