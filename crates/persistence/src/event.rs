//! `EventStore`: appending; the fold is in `fold.rs`.

use std::{sync::Arc, time::Duration};

use diesel::prelude::*;
use tollgate_domain::{Time, UsageEvent};
use tollgate_store::{EventStore, Folded, Mark, StoreError, StreamId, event::MAX_GROUP};

use crate::{
    both::Conn,
    database::{Database, UPKEEP},
    failure::Failure,
    fold,
    rows::new_event::{InsertAll, InsertOne, NewEvent},
    stream,
};

/// How long a recorder waits for its stream: a group of events waits with it.
const OPEN: Duration = Duration::from_secs(1);

impl EventStore for Database {
    fn open_stream(&self, now: Time) -> Result<StreamId, StoreError> {
        self.write_within(OPEN, move |conn| stream::open(conn, now))
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
                .map(|(event, seq)| NewEvent::new(event, stream, seq))
                .collect();
            if rows.iter().any(NewEvent::has_nul) {
                return Err(StoreError::Rejected("a text has a NUL character".into()).into());
            }
            insert(conn, &rows)
        })
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.report(stream::mark)
    }

    fn fold(&self, limit: u32, until: &Mark) -> Result<Folded, StoreError> {
        let until = until.clone();
        self.write_within(UPKEEP, move |conn| fold::run(conn, limit, &until))
    }

    fn retire_streams(&self, before: Time) -> Result<u64, StoreError> {
        let mut all: u64 = 0;
        loop {
            let (some, more) = self.write_within(UPKEEP, move |conn| stream::retire(conn, before))?;
            all = all.saturating_add(some);
            if !more {
                return Ok(all);
            }
        }
    }
}

/// Inserts what is not there yet.
fn insert(conn: &mut Conn, rows: &[NewEvent<'_>]) -> Result<(), Failure> {
    match conn {
        Conn::Pg(conn) => {
            InsertAll::new(rows).execute(conn)?;
        }
        Conn::Sqlite(conn) => {
            for row in rows {
                InsertOne(row).execute(conn)?;
            }
        }
    }
    Ok(())
}
