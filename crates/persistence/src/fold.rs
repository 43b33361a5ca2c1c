//! The fold: adds events past each stream's cursor to all sums, and moves the cursors, in one transaction.
//!
//! Events are summed here first, so that a sum is touched once a fold, in the order of its key: two
//! transactions that take the same rows in the same order never wait for each other in a circle.

mod columns;
mod write;

use std::collections::BTreeMap;

use diesel::prelude::*;
use tollgate_billing::Money;
use tollgate_domain::latency;
use tollgate_store::{Folded, Mark};

use crate::{
    both::Conn,
    failure::Failure,
    pg,
    rows::event::FoldRow,
    schema::{event_streams, usage_events},
    stream::{self, Span},
    types::{Id, Ts},
};

/// Seconds of a roll-up's span.
pub const QUARTER_SECONDS: i64 = 900;

/// The quarter-hour of a moment, counted from 1970.
pub fn quarter_of(time: Ts) -> i32 {
    i32::try_from(time.time().timestamp().div_euclid(QUARTER_SECONDS)).unwrap_or(i32::MAX)
}

/// Folds at most `limit` events up to `until`.
pub fn run(conn: &mut Conn, limit: u32, until: &Mark) -> Result<Folded, Failure> {
    pg::lock_fold(conn)?;
    let cursors: Vec<(i64, i64)> = event_streams::table
        .select((event_streams::id, event_streams::folded_seq))
        .order(event_streams::id)
        .load(conn)?;
    let mut sums = Sums::default();
    let taken = stream::take(conn, &cursors, until, limit, events, |row| row.seq, |row| sums.add(row))?;
    sums.write(conn)?;
    for (id, seq) in taken.cursors {
        diesel::update(event_streams::table.find(id)).set(event_streams::folded_seq.eq(seq)).execute(conn)?;
    }
    Ok(taken.folded)
}

/// The events of a span, as far as sums need them.
fn events(conn: &mut Conn, span: Span) -> QueryResult<Vec<FoldRow>> {
    usage_events::table
        .filter(usage_events::stream.eq(span.stream))
        .filter(usage_events::seq.gt(span.after))
        .filter(usage_events::seq.le(span.until))
        .order(usage_events::seq)
        .limit(span.limit)
        .select(FoldRow::as_select())
        .load(conn)
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RollupKey {
    user_id: Id,
    quarter: i32,
    api_key_id: Id,
    environment: String,
    endpoint: String,
    provider: String,
    model: String,
    request_type: String,
    outcome: &'static str,
}

#[derive(Default)]
struct Rollup {
    requests: i64,
    successful: i64,
    prompt: i64,
    completion: i64,
    cost: Money,
    unpriced: i64,
    duration_ms: i64,
}

struct KeySum {
    requests: i64,
    last_used_at: Ts,
}

/// User, environment, month.
type QuotaKey = (Id, String, i32);
/// User, quarter, key, environment, bucket.
type LatencyKey = (Id, i32, Id, String, i16);

#[derive(Default)]
struct Sums {
    keys: BTreeMap<Id, KeySum>,
    quota: BTreeMap<QuotaKey, (i64, Money)>,
    rollups: BTreeMap<RollupKey, Rollup>,
    latency: BTreeMap<LatencyKey, i64>,
}

impl Sums {
    fn add(&mut self, row: FoldRow) {
        let quarter = quarter_of(row.time);
        let prompt = row.prompt_tokens.unwrap_or(0);
        let completion = row.completion_tokens.unwrap_or(0);
        let tokens = prompt.saturating_add(completion);
        let cost = row.cost_pico.map(|pico| Money::from_pico(pico.into()));
        let succeeded = row.status < 400 && row.error_code.is_none();

        let unused = KeySum { requests: 0, last_used_at: row.time };
        let key = self.keys.entry(row.api_key_id).or_insert(unused);
        key.requests = key.requests.saturating_add(row.repeat);
        key.last_used_at = key.last_used_at.max(row.time);

        if !row.own_key && (tokens != 0 || cost.is_some_and(|cost| cost != Money::ZERO)) {
            let used = self.quota.entry((row.user_id, row.environment.clone(), row.month)).or_default();
            used.0 = used.0.saturating_add(tokens);
            used.1 = used.1 + cost.unwrap_or_default();
        }

        let ms = u64::try_from(row.duration_ms).unwrap_or(0);
        let bucket = i16::try_from(latency::bucket_of(ms)).unwrap_or(i16::MAX);
        let place = (row.user_id, quarter, row.api_key_id, row.environment.clone(), bucket);
        let seen = self.latency.entry(place).or_default();
        *seen = seen.saturating_add(row.repeat);

        let sum = self
            .rollups
            .entry(RollupKey {
                user_id: row.user_id,
                quarter,
                api_key_id: row.api_key_id,
                environment: row.environment,
                endpoint: row.endpoint,
                provider: row.provider.unwrap_or_default(),
                model: row.model.unwrap_or_default(),
                request_type: row.request_type,
                outcome: outcome(succeeded, row.status),
            })
            .or_default();
        sum.requests = sum.requests.saturating_add(row.repeat);
        sum.successful = sum.successful.saturating_add(if succeeded { row.repeat } else { 0 });
        sum.prompt = sum.prompt.saturating_add(prompt);
        sum.completion = sum.completion.saturating_add(completion);
        sum.cost = sum.cost + cost.unwrap_or_default();
        sum.unpriced = sum.unpriced.saturating_add(i64::from(cost.is_none() && tokens > 0));
        sum.duration_ms = sum.duration_ms.saturating_add(row.duration_ms.saturating_mul(row.repeat));
    }

    fn write(self, conn: &mut Conn) -> Result<(), Failure> {
        write::keys(conn, self.keys)?;
        write::quota(conn, self.quota)?;
        write::rollups(conn, self.rollups)?;
        write::latency(conn, self.latency)
    }
}

/// How a request ended, as roll-ups tell it.
const fn outcome(succeeded: bool, status: i32) -> &'static str {
    match status {
        _ if succeeded => "ok",
        429 => "limited",
        401 | 403 => "refused",
        _ => "error",
    }
}
