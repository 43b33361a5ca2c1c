//! `EventStore`: appending; the fold is in `fold.rs`.

use std::{sync::Arc, time::Duration};

use diesel::prelude::*;
use tollgate_domain::{Time, UsageEvent};
use tollgate_store::{Admitted, EventStore, Folded, StoreError, StreamId, event::MAX_GROUP};

use crate::{
    both::{Conn, MultiBackend},
    database::{Database, Side, UPKEEP},
    failure::Failure,
    fold,
    rows::event::EventRow,
    schema::{event_streams, usage_events},
    types::{Id, Ts},
};

/// Admissions that are read at a time.
const PAGE: i64 = 10_000;
/// The most events of one fold on SQLite, where nobody else writes meanwhile.
const PIECE_SQLITE: u32 = 500;
/// The most events of one fold on Postgres.
const PIECE_POSTGRES: u32 = 10_000;

impl EventStore for Database {
    fn open_stream(&self, now: Time) -> Result<StreamId, StoreError> {
        self.write(move |conn| {
            let id = diesel::insert_into(event_streams::table)
                .values(event_streams::opened_at.eq(Ts::from(now)))
                .returning(event_streams::id)
                .get_result(conn)?;
            Ok(StreamId(id))
        })
    }

    fn append(
        &self,
        stream: StreamId,
        first_seq: i64,
        events: Arc<[UsageEvent]>,
        patience: Duration,
    ) -> Result<(), StoreError> {
        if events.len() > MAX_GROUP {
            return Err(StoreError::Rejected(format!("a group has at most {MAX_GROUP} events").into()));
        }
        if events.is_empty() {
            return Ok(());
        }
        self.record(patience, move |conn| {
            let rows: Vec<_> = events
                .iter()
                .zip(first_seq..)
                .map(|(event, seq)| EventRow::new(event, stream, seq))
                .collect();
            if rows.iter().any(EventRow::has_nul) {
                return Err(StoreError::Rejected("a text has a NUL character".into()).into());
            }
            insert(conn, &rows)
        })
    }

    fn fold(&self, limit: u32, _now: Time) -> Result<Folded, StoreError> {
        let piece = match self.side {
            Side::Postgres { .. } => PIECE_POSTGRES,
            Side::Sqlite { .. } => PIECE_SQLITE,
        };
        let limit = limit.min(piece);
        self.write_within(UPKEEP, move |conn| fold::run(conn, limit))
    }

    fn admitted_since(&self, since: Time, each: &mut dyn FnMut(Admitted)) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let rows = self.report(move |conn| admitted(conn, since.into(), last))?;
            for (id, time, user, key, environment) in &rows {
                last = Some((*time, *id));
                each(Admitted {
                    user_id: (*user).into(),
                    api_key_id: (*key).into(),
                    environment: environment.parse().map_err(|_unknown| StoreError::Corrupt {
                        table: "usage_events",
                        what: "environment",
                    })?,
                    time: time.time(),
                });
            }
            if i64::try_from(rows.len()).unwrap_or(PAGE) < PAGE {
                return Ok(());
            }
        }
    }
}

type AdmittedRow = (Id, Ts, Id, Id, String);

/// A page of admissions since `since`, after `last`, in the order of the primary key.
fn admitted(conn: &mut Conn, since: Ts, last: Option<(Ts, Id)>) -> Result<Vec<AdmittedRow>, Failure> {
    use usage_events as of;

    let from = last.map_or(since, |(time, _)| time);
    let mut query = of::table
        .filter(of::time.ge(from))
        .filter(of::counts)
        .select((of::id, of::time, of::user_id, of::api_key_id, of::environment))
        .order((of::time, of::id))
        .limit(PAGE)
        .into_boxed::<MultiBackend>();
    if let Some((time, id)) = last {
        query = query.filter(of::time.gt(time).or(of::id.gt(id)));
    }
    Ok(query.load(conn)?)
}

/// Inserts what is not there yet: in one statement on Postgres, whose every statement is a round trip; one
/// by one on SQLite, where a prepared statement costs less than a long one.
fn insert(conn: &mut Conn, rows: &[EventRow<'_>]) -> Result<(), Failure> {
    match conn {
        Conn::Pg(conn) => {
            diesel::insert_into(usage_events::table).values(rows).on_conflict_do_nothing().execute(conn)?;
        }
        Conn::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(usage_events::table)
                    .values(row)
                    .on_conflict_do_nothing()
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}
