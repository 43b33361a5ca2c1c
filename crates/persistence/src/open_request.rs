//! `OpenRequestStore`.

use std::{sync::Arc, time::Duration};

use diesel::{dsl::sql, expression::SqlLiteral, prelude::*, sql_types::SingleValue};
use tollgate_domain::{EventId, Time, UsageEvent};
use tollgate_store::{OpenRequestStore, StoreError};

use crate::{
    both::each,
    database::Database,
    rows::open_request::OpenRequestRow,
    schema::open_requests,
    types::{Id, Ts},
};

/// Rows of one statement.
const CHUNK: usize = 500;

/// The column of whichever was kept last: a write that was given up may be done after the one that followed it.
fn latest<T: SingleValue>(column: &str) -> SqlLiteral<T> {
    sql(&format!(
        "CASE WHEN excluded.kept_at < open_requests.kept_at THEN open_requests.{column} ELSE excluded.{column} END"
    ))
}

impl OpenRequestStore for Database {
    fn keep(&self, requests: Arc<[UsageEvent]>, now: Time, patience: Duration) -> Result<(), StoreError> {
        let rows = OpenRequestRow::all(&requests, now)?;
        self.write_within(patience, move |conn| {
            use open_requests::{event, id, kept_at, table};

            for rows in rows.chunks(CHUNK) {
                each!(conn, conn => diesel::insert_into(table)
                    .values(rows)
                    .on_conflict(id)
                    .do_update()
                    .set((kept_at.eq(latest("kept_at")), event.eq(latest("event"))))
                    .execute(conn))?;
            }
            Ok(())
        })
    }

    fn kept(&self, before: Time, limit: u32) -> Result<Vec<UsageEvent>, StoreError> {
        let rows: Vec<OpenRequestRow> = self.read(move |conn| {
            Ok(open_requests::table
                .filter(open_requests::kept_at.lt(Ts::from(before)))
                .order(open_requests::id)
                .limit(limit.into())
                .select(OpenRequestRow::as_select())
                .load(conn)?)
        })?;
        rows.iter().map(OpenRequestRow::event).collect()
    }

    fn forget(&self, requests: Arc<[EventId]>, patience: Duration) -> Result<(), StoreError> {
        self.write_within(patience, move |conn| {
            let ids: Vec<_> = requests.iter().map(|id| Id::from(*id)).collect();
            for ids in ids.chunks(CHUNK) {
                diesel::delete(open_requests::table.filter(open_requests::id.eq_any(ids))).execute(conn)?;
            }
            Ok(())
        })
    }
}
