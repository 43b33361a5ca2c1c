//! `SpoolStore`, and `OpenRequestStore` for while the database is away.

use std::{sync::Arc, time::Duration};

use diesel::{dsl::count_star, prelude::*, upsert::excluded};
use tollgate_domain::{EventId, Time, UsageEvent};
use tollgate_store::{OpenRequestStore, SpoolDepth, SpoolStore, StoreError};

use super::Spool;
use crate::{
    failure::Failure,
    number,
    rows::open_request::{OpenRequestRow, from_text, to_text},
    schema::open_requests,
    types::{Id, Ts},
};

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    waiting (n) {
        n -> BigInt,
        id -> Id,
        time -> Ts,
        event -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    rejected (id) {
        id -> Id,
        rejected_at -> Ts,
        reason -> Text,
        event -> Text,
    }
}

/// Ids of one statement.
const CHUNK: usize = 500;

#[derive(Insertable)]
#[diesel(table_name = waiting)]
struct WaitingRow {
    id: Id,
    time: Ts,
    event: String,
}

fn take_out(conn: &mut SqliteConnection, events: &[EventId]) -> Result<(), Failure> {
    let ids: Vec<_> = events.iter().map(|id| Id::from(*id)).collect();
    for ids in ids.chunks(CHUNK) {
        diesel::delete(waiting::table.filter(waiting::id.eq_any(ids))).execute(conn)?;
    }
    Ok(())
}

impl SpoolStore for Spool {
    fn append(&self, events: &[UsageEvent]) -> Result<(), StoreError> {
        let row = |event: &UsageEvent| {
            Ok(WaitingRow { id: event.id.into(), time: event.time.into(), event: to_text(event)? })
        };
        let rows: Vec<_> = events.iter().map(row).collect::<Result<_, StoreError>>()?;
        self.write(|conn| {
            for row in &rows {
                diesel::insert_into(waiting::table).values(row).on_conflict_do_nothing().execute(conn)?;
            }
            Ok(())
        })
    }

    fn oldest(&self, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        let texts: Vec<String> = waiting::table
            .select(waiting::event)
            .order(waiting::n)
            .limit(limit.into())
            .load(&mut *self.conn())
            .map_err(Failure::from)?;
        if texts.is_empty() {
            self.reserve.restore();
        }
        texts.iter().map(|text| from_text(text, "spool")).collect()
    }

    fn remove(&self, events: &[EventId]) -> Result<(), StoreError> {
        self.clear(|conn| take_out(conn, events))
    }

    fn reject(&self, event: &UsageEvent, reason: &str, now: Time) -> Result<(), StoreError> {
        let text = to_text(event)?;
        self.clear(|conn| {
            diesel::insert_into(rejected::table)
                .values((
                    rejected::id.eq(Id::from(event.id)),
                    rejected::rejected_at.eq(Ts::from(now)),
                    rejected::reason.eq(reason),
                    rejected::event.eq(&text),
                ))
                .on_conflict_do_nothing()
                .execute(conn)?;
            take_out(conn, &[event.id])
        })
    }

    fn depth(&self) -> Result<SpoolDepth, StoreError> {
        let (waits, oldest, refused) = self.write(|conn| {
            let waits: i64 = waiting::table.select(count_star()).first(conn)?;
            let oldest: Option<Ts> =
                waiting::table.select(waiting::time).order(waiting::n).first(conn).optional()?;
            let refused: i64 = rejected::table.select(count_star()).first(conn)?;
            Ok((waits, oldest, refused))
        })?;
        Ok(SpoolDepth {
            waiting: number::read(waits, "spool", "number of events")?,
            oldest: oldest.map(Ts::time),
            rejected: number::read(refused, "spool", "number of events")?,
        })
    }
}

impl OpenRequestStore for Spool {
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, _patience: Duration) -> Result<(), StoreError> {
        use open_requests::{event, id, kept_at, table};

        let rows = OpenRequestRow::all(&requests, now)?;
        self.write(|conn| {
            for row in &rows {
                diesel::insert_into(table)
                    .values(row)
                    .on_conflict(id)
                    .do_update()
                    .set((kept_at.eq(excluded(kept_at)), event.eq(excluded(event))))
                    .execute(conn)?;
            }
            Ok(())
        })
    }

    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        let rows: Vec<OpenRequestRow> = open_requests::table
            .filter(open_requests::kept_at.lt(Ts::from(before)))
            .order(open_requests::id)
            .limit(limit.into())
            .select(OpenRequestRow::as_select())
            .load(&mut *self.conn())
            .map_err(Failure::from)?;
        rows.iter().map(OpenRequestRow::event).collect()
    }

    fn forget(&self, requests: Arc<[EventId]>, _patience: Duration) -> Result<(), StoreError> {
        self.write(|conn| {
            let ids: Vec<_> = requests.iter().map(|id| Id::from(*id)).collect();
            for ids in ids.chunks(CHUNK) {
                diesel::delete(open_requests::table.filter(open_requests::id.eq_any(ids))).execute(conn)?;
            }
            Ok(())
        })
    }
}
