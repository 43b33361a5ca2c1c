//! `WindowStore`: each key's windows as one row, merged with what was admitted since.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Binary, Integer, Text},
    upsert::excluded,
};
use tollgate_domain::{Time, WindowKind, Windows, window::is_far_ahead};
use tollgate_store::{Folded, Mark, SavedWindows, StoreError, WindowStore};

use crate::{
    both::{Conn, MultiBackend},
    database::{Database, UPKEEP},
    failure::Failure,
    fold::quarter_of,
    pg,
    rows::windows::{AdmittedRow, WindowsRow},
    schema::{event_streams, saved_windows, usage_events},
    stream::{self, Span},
    types::{Id, sql},
};

/// Rows of one statement.
const CHUNK: usize = 500;
/// Rows that are loaded at a time.
const PAGE: i64 = 1_000;
/// Rows that one save forgets at most; and pulls back.
const MAX_REST: i64 = 500;

/// A key, live or test.
type Owner = (Id, String);

impl WindowStore for Database {
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<Folded, StoreError> {
        let until = until.clone();
        self.write_within(UPKEEP, move |conn| save(conn, limit, &until, now))
    }

    fn load(&self, each: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let after = last.take();
            let rows = self.report(move |conn| page(conn, after))?;
            let full = i64::try_from(rows.len()).unwrap_or(PAGE) >= PAGE;
            if full {
                last = rows.last().map(WindowsRow::owner);
            }
            for row in rows {
                each(row.try_into()?);
            }
            if !full {
                return Ok(());
            }
        }
    }
}

/// The rows after `last`, in the order of the primary key.
fn page(conn: &mut Conn, last: Option<Owner>) -> Result<Vec<WindowsRow>, Failure> {
    use saved_windows::{api_key_id, environment, table};

    let mut query = table
        .select(WindowsRow::as_select())
        .order((api_key_id, environment))
        .limit(PAGE)
        .into_boxed::<MultiBackend>();
    if let Some((key, of)) = last {
        query = query.filter(api_key_id.gt(key).or(api_key_id.eq(key).and(environment.gt(of))));
    }
    Ok(query.load(conn)?)
}

fn save(conn: &mut Conn, limit: u32, until: &Mark, now: Time) -> Result<Folded, Failure> {
    pg::lock_fold(conn)?;
    let cursors: Vec<(i64, i64)> = event_streams::table
        .select((event_streams::id, event_streams::windows_seq))
        .order(event_streams::id)
        .load(conn)?;
    // What is in no window any more, nor in a bucket that is.
    let longest = WindowKind::Day;
    let oldest = now
        .checked_sub_signed(TimeDelta::milliseconds(longest.length_ms().saturating_add(longest.bucket_ms())))
        .unwrap_or(Time::MIN_UTC);
    let mut owners: BTreeMap<Owner, (Id, Windows)> = BTreeMap::new();
    let add = |row: AdmittedRow| {
        let time = row.time.time();
        if row.counts && time >= oldest {
            // By a clock that was far ahead: as in `Windows::pull_back`.
            let time = if is_far_ahead(time, now) { now } else { time };
            let owner = owners.entry((row.api_key_id, row.environment));
            let (_, windows) = owner.or_insert_with(|| (row.user_id, Windows::default()));
            windows.add(time, u64::try_from(row.repeat).unwrap_or(1));
        }
    };
    let taken = stream::take(conn, &cursors, until, limit, admitted, |row| row.seq, add)?;
    merge_saved(conn, &mut owners, now)?;
    let rows: Vec<_> =
        owners.into_iter().map(|(owner, (user, windows))| row(owner, user, &windows)).collect();
    write(conn, &rows)?;
    for (id, seq) in taken.cursors {
        diesel::update(event_streams::table.find(id))
            .set(event_streams::windows_seq.eq(seq))
            .execute(conn)?;
    }
    let (forgotten, pulled) = (forget(conn, oldest)?, pull_back(conn, now)?);
    Ok(Folded { more: taken.folded.more || forgotten.max(pulled) == MAX_REST, ..taken.folded })
}

/// The events of a span, as far as windows need them.
fn admitted(conn: &mut Conn, span: Span) -> QueryResult<Vec<AdmittedRow>> {
    usage_events::table
        .filter(usage_events::stream.eq(span.stream))
        .filter(usage_events::seq.gt(span.after))
        .filter(usage_events::seq.le(span.until))
        .order(usage_events::seq)
        .limit(span.limit)
        .select(AdmittedRow::as_select())
        .load(conn)
}

/// Adds what was saved of the same keys before.
fn merge_saved(
    conn: &mut Conn,
    owners: &mut BTreeMap<Owner, (Id, Windows)>,
    now: Time,
) -> Result<(), Failure> {
    let mut keys: Vec<_> = owners.keys().map(|(key, _)| *key).collect();
    keys.dedup();
    for keys in keys.chunks(CHUNK) {
        let rows: Vec<WindowsRow> = saved_windows::table
            .filter(saved_windows::api_key_id.eq_any(keys))
            .select(WindowsRow::as_select())
            .load(conn)?;
        for row in rows {
            if let Some((_, windows)) = owners.get_mut(&row.owner()) {
                let mut saved = row.windows()?;
                if saved.are_far_ahead(now) {
                    saved.pull_back(now);
                }
                windows.merge(&saved);
            }
        }
    }
    Ok(())
}

fn row((api_key_id, environment): Owner, user_id: Id, windows: &Windows) -> WindowsRow {
    // Some were added.
    let newest = windows.newest().unwrap_or(Time::MIN_UTC);
    let (quarter, windows) = (quarter_of(newest.into()), windows.to_bytes());
    WindowsRow { api_key_id, environment, user_id, quarter, windows }
}

/// With an array for each column on Postgres, where long statements are slow to plan.
fn write(conn: &mut Conn, rows: &[WindowsRow]) -> Result<(), Failure> {
    use saved_windows::{api_key_id, environment, quarter, table, windows};

    match conn {
        Conn::Pg(conn) => {
            sql_query(
                "INSERT INTO saved_windows (api_key_id, environment, user_id, quarter, windows) \
                 SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT (api_key_id, environment) \
                 DO UPDATE SET quarter = excluded.quarter, windows = excluded.windows",
            )
            .bind::<Array<sql::Id>, Vec<Id>>(rows.iter().map(|row| row.api_key_id).collect())
            .bind::<Array<Text>, Vec<&str>>(rows.iter().map(|row| row.environment.as_str()).collect())
            .bind::<Array<sql::Id>, Vec<Id>>(rows.iter().map(|row| row.user_id).collect())
            .bind::<Array<Integer>, Vec<i32>>(rows.iter().map(|row| row.quarter).collect())
            .bind::<Array<Binary>, Vec<&[u8]>>(rows.iter().map(|row| row.windows.as_slice()).collect())
            .execute(conn)?;
        }
        Conn::Sqlite(conn) => {
            for rows in rows.chunks(CHUNK) {
                diesel::insert_into(table)
                    .values(rows)
                    .on_conflict((api_key_id, environment))
                    .do_update()
                    .set((quarter.eq(excluded(quarter)), windows.eq(excluded(windows))))
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}

/// Forgets rows whose newest admission is older than `oldest`, by up to a quarter-hour more; gives how many.
fn forget(conn: &mut Conn, oldest: Time) -> Result<i64, Failure> {
    use saved_windows::{api_key_id, environment, quarter, table};

    let owners: Vec<Owner> = table
        .filter(quarter.lt(quarter_of(oldest.into())))
        .select((api_key_id, environment))
        .order((api_key_id, environment))
        .limit(MAX_REST)
        .load(conn)?;
    for (key, of) in &owners {
        diesel::delete(table.find((key, of))).execute(conn)?;
    }
    Ok(i64::try_from(owners.len()).unwrap_or(MAX_REST))
}

/// Pulls rows back whose newest admission lies in a quarter-hour that is far ahead; gives how many. Of those a
/// little ahead this is made up for when they are loaded.
fn pull_back(conn: &mut Conn, now: Time) -> Result<i64, Failure> {
    use saved_windows::{api_key_id, environment, quarter, table};

    let ahead: Vec<WindowsRow> = table
        .filter(quarter.gt(quarter_of(now.into()).saturating_add(1)))
        .order((api_key_id, environment))
        .limit(MAX_REST)
        .select(WindowsRow::as_select())
        .load(conn)?;
    let pulled = |ahead: &WindowsRow| {
        let mut windows = ahead.windows()?;
        windows.pull_back(now);
        Ok(row(ahead.owner(), ahead.user_id, &windows))
    };
    let rows = ahead.iter().map(pulled).collect::<Result<Vec<_>, StoreError>>()?;
    write(conn, &rows)?;
    Ok(i64::try_from(rows.len()).unwrap_or(MAX_REST))
}
