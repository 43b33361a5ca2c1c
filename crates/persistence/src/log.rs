//! Pages of events, newest first, with no index by user: the sums tell in which quarter-hours there is
//! something to be found, and within a quarter-hour events are read by their time.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use tollgate_domain::{Time, UsageEvent};
use tollgate_store::{LogMark, LogPage, StoreError, UsageScope};
use uuid::Uuid;

use crate::{
    both::Conn,
    failure::Failure,
    fold::{QUARTER_SECONDS, quarter_of},
    rows::event::StoredEvent,
    schema::{event_streams, usage_events, usage_rollups},
    types::{Id, Ts},
    usage::scoped,
};

/// How long a page is read before it ends short, at the end of a quarter-hour. Where one user's events lie
/// far apart among very many of others', the caller goes on from there.
const MAX_READING: Duration = Duration::from_secs(2);
/// Events of a stream, beyond the fold's cursor, that are looked at: more than a fold ever leaves behind.
const MAX_UNFOLDED: i64 = 100_000;

/// At most `limit` events from `after` on. Not yet folded ones are looked for apart: the sums do not tell
/// of them. To be called in a snapshot, else an event could be folded between the two looks.
pub fn page(
    conn: &mut Conn,
    scope: &UsageScope,
    limit: u32,
    after: Option<LogMark>,
) -> Result<LogPage, Failure> {
    let started = Instant::now();
    // One beyond, only to tell whether there are more.
    let wanted = i64::from(limit).saturating_add(1);
    // Each quarter-hour has an event at least; only of that in which `after` lies, none may be left.
    let asked = wanted.saturating_add(1);
    let quarters = quarters(conn, scope, after, asked)?;
    let are_all = length(&quarters) < asked;
    let mut rows = Vec::new();
    let mut read = 0_usize;
    for quarter in &quarters {
        let missing = wanted.saturating_sub(length(&rows));
        if missing == 0 || (read > 0 && started.elapsed() >= MAX_READING) {
            break;
        }
        rows.extend(of_quarter(conn, scope, *quarter, after, missing)?);
        read = read.saturating_add(1);
    }
    // Where not all was read, the page ends with the last quarter-hour that was.
    let end = quarters[..read].last().filter(|_| !are_all || read < quarters.len()).map(|last| start(*last));
    rows.extend(unfolded(conn, scope, after, wanted)?);
    rows.retain(|row| end.is_none_or(|end| row.mark().0 >= end));
    rows.sort_unstable_by_key(|row| Reverse(row.mark()));
    rows.dedup_by_key(|row| row.mark());
    let mut items = rows.into_iter().map(UsageEvent::try_from).collect::<Result<Vec<_>, StoreError>>()?;
    let more = length(&items) >= wanted;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = if more {
        items.last().map(|last| LogMark { time: last.time, id: last.id })
    } else {
        end.map(|end| LogMark { time: end.time(), id: Uuid::nil().into() })
    };
    Ok(LogPage { items, next })
}

fn length<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// The first moment of a quarter-hour.
fn start(quarter: i32) -> Ts {
    let seconds = i64::from(quarter).saturating_mul(QUARTER_SECONDS);
    Time::from_timestamp(seconds, 0).unwrap_or(Time::MIN_UTC).into()
}

/// The newest quarter-hours, down from `after`, in which the sums know of something.
fn quarters(
    conn: &mut Conn,
    scope: &UsageScope,
    after: Option<LogMark>,
    limit: i64,
) -> QueryResult<Vec<i32>> {
    use usage_rollups::{quarter, table};

    let newest = after.map_or(i32::MAX, |mark| quarter_of(mark.time.into()));
    let query = table.select(quarter).distinct().filter(quarter.le(newest));
    scoped!(query, usage_rollups, scope).order(quarter.desc()).limit(limit).load(conn)
}

/// Narrows a query over events to those of a scope that come after a mark.
macro_rules! after {
    ($query:expr, $scope:expr, $after:expr) => {{
        use usage_events::{id, time};

        let mut query = scoped!($query, usage_events, $scope);
        if let Some(mark) = $after {
            let (at, of): (Ts, Id) = (mark.time.into(), mark.id.into());
            query = query.filter(time.le(at)).filter(time.lt(at).or(id.lt(of)));
        }
        query
    }};
}

fn of_quarter(
    conn: &mut Conn,
    scope: &UsageScope,
    quarter: i32,
    after: Option<LogMark>,
    limit: i64,
) -> QueryResult<Vec<StoredEvent>> {
    use usage_events::{id, table, time};

    let span = table.filter(time.ge(start(quarter))).filter(time.lt(start(quarter.saturating_add(1))));
    after!(span.select(StoredEvent::as_select()), scope, after)
        .order((time.desc(), id.desc()))
        .limit(limit)
        .load(conn)
}

/// The newest events past the fold's cursors. Both queries go by stream and number alone: asked for an
/// order by time, a planner might read every event there ever was.
fn unfolded(
    conn: &mut Conn,
    scope: &UsageScope,
    after: Option<LogMark>,
    limit: i64,
) -> QueryResult<Vec<StoredEvent>> {
    use usage_events::{seq, stream, table};

    let mut places: Vec<((Ts, Id), i64, i64)> = Vec::new();
    let cursors: Vec<(i64, i64)> =
        event_streams::table.select((event_streams::id, event_streams::folded_seq)).load(conn)?;
    for (of, folded) in cursors {
        let span = table.filter(stream.eq(of)).filter(seq.gt(folded));
        let query = after!(span.select(((time, id), stream, seq)), scope, after);
        places.extend(query.order(seq.desc()).limit(MAX_UNFOLDED).load::<((Ts, Id), i64, i64)>(conn)?);
    }
    places.sort_unstable_by_key(|(mark, ..)| Reverse(*mark));
    places.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut by_stream: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    places.into_iter().for_each(|(_, of, number)| by_stream.entry(of).or_default().push(number));
    let mut rows = Vec::new();
    for (of, numbers) in by_stream {
        let query = table.filter(stream.eq(of)).filter(seq.eq_any(numbers));
        rows.extend(query.select(StoredEvent::as_select()).load(conn)?);
    }
    Ok(rows)
}
