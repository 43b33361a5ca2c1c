//! Streams of events: opened by writers, read from a cursor up to a mark, forgotten when they are done.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable},
};
use tollgate_domain::Time;
use tollgate_store::{Folded, Mark, StreamId};

use crate::{
    both::Conn,
    failure::Failure,
    pg,
    schema::event_streams,
    types::{Ts, sql},
};

/// Events that are read at a time.
const PAGE: i64 = 5_000;
/// Streams that are forgotten at a time.
const MAX_RETIRED: i64 = 500;

/// Opens a stream.
pub fn open(conn: &mut Conn, now: Time) -> Result<StreamId, Failure> {
    let id = diesel::insert_into(event_streams::table)
        .values(event_streams::opened_at.eq(Ts::from(now)))
        .returning(event_streams::id)
        .get_result(conn)?;
    Ok(StreamId(id))
}

#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
}

/// The newest event of every stream. The inner query is one probe of an index a stream; as a join, a
/// planner might read every event there ever was.
pub fn mark(conn: &mut Conn) -> Result<Mark, Failure> {
    let rows: Vec<Newest> = sql_query(
        "SELECT s.id, (SELECT max(e.seq) FROM usage_events e WHERE e.stream = s.id) AS seq \
         FROM event_streams s ORDER BY s.id",
    )
    .load(conn)?;
    let newest = rows.into_iter().filter_map(|row| row.seq.map(|seq| (StreamId(row.id), seq)));
    Ok(Mark(newest.collect()))
}

/// Which events of a stream are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The stream.
    pub stream: i64,
    /// The last one that is not wanted any more.
    pub after: i64,
    /// The last one that is wanted.
    pub until: i64,
    /// How many at most.
    pub limit: i64,
}

/// How far cursors move for what was read.
#[derive(Default)]
pub struct Taken {
    /// The streams' new cursors, in the order of the streams.
    pub cursors: Vec<(i64, i64)>,
    /// How many events were read, and whether there are more up to the mark.
    pub folded: Folded,
}

/// Reads at most `limit` events between `cursors` and `until`, and gives `each` of them. `read` gives a span's
/// rows in their order, `place` a row's number in its stream.
pub fn take<R>(
    conn: &mut Conn,
    cursors: &[(i64, i64)],
    until: &Mark,
    limit: u32,
    mut read: impl FnMut(&mut Conn, Span) -> QueryResult<Vec<R>>,
    place: impl Fn(&R) -> i64,
    mut each: impl FnMut(R),
) -> QueryResult<Taken> {
    let mut taken = Taken::default();
    let mut left = i64::from(limit);
    for &(StreamId(stream), until) in until.0.iter() {
        // One that is not there any more was folded to its end.
        let found = cursors.binary_search_by_key(&stream, |(id, _)| *id).ok();
        let Some(&(_, cursor)) = found.and_then(|at| cursors.get(at)) else { continue };
        let mut after = cursor;
        while after < until && left > 0 {
            let rows = read(conn, Span { stream, after, until, limit: left.min(PAGE) })?;
            // Where there are gaps up to the mark, there is nothing to be waited for.
            after = rows.last().map_or(until, &place);
            left = left.saturating_sub(i64::try_from(rows.len()).unwrap_or(left));
            rows.into_iter().for_each(&mut each);
        }
        taken.folded.more |= after < until;
        if after > cursor {
            taken.cursors.push((stream, after));
        }
    }
    taken.folded.events = u64::try_from(i64::from(limit).saturating_sub(left)).unwrap_or(0);
    Ok(taken)
}

/// Forgets streams opened before `before` whose every event both cursors have passed; gives how many, at
/// most [`MAX_RETIRED`], and whether there may be more.
pub fn retire(conn: &mut Conn, before: Time) -> Result<(u64, bool), Failure> {
    pg::lock_fold(conn)?;
    let gone = sql_query(format!(
        "DELETE FROM event_streams WHERE id IN ( \
         SELECT s.id FROM event_streams s WHERE s.id <> 0 AND s.opened_at < {} AND \
         COALESCE((SELECT max(e.seq) FROM usage_events e WHERE e.stream = s.id), 0) <= \
         CASE WHEN s.folded_seq < s.windows_seq THEN s.folded_seq ELSE s.windows_seq END \
         ORDER BY s.id LIMIT {MAX_RETIRED})",
        match conn {
            Conn::Pg(_) => "$1",
            Conn::Sqlite(_) => "?",
        },
    ))
    .bind::<sql::Ts, _>(Ts::from(before))
    .execute(conn)?;
    let gone = i64::try_from(gone).unwrap_or(0);
    Ok((u64::try_from(gone).unwrap_or(0), gone == MAX_RETIRED))
}
