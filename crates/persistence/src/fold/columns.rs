//! The same upserts for Postgres, with an array for each column: a short statement however many rows there are,
//! where one with all values in it would be parsed and planned for longer than it runs.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Integer, SmallInt, Text},
};

use super::write::{KeyRow, LatencyRow, QuotaRow, RollupRow};
use crate::types::{Id, Ts, sql};

/// One column of all rows.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Sums of money carry what makes a whole dollar.
macro_rules! money {
    () => {
        "cost_usd = t.cost_usd + excluded.cost_usd + (t.cost_pico + excluded.cost_pico) / 1000000000000, \
         cost_pico = (t.cost_pico + excluded.cost_pico) % 1000000000000"
    };
}

/// Adds to the keys' totals.
pub fn keys(conn: &mut PgConnection, rows: &[KeyRow]) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO key_totals AS t (key_id, request_count, last_used_at) SELECT * FROM unnest($1, $2, $3) \
         ON CONFLICT (key_id) DO UPDATE SET request_count = t.request_count + excluded.request_count, \
         last_used_at = greatest(t.last_used_at, excluded.last_used_at)",
    )
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.key_id))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.request_count))
    .bind::<Array<sql::Ts>, Vec<Ts>>(column(rows, |row| row.last_used_at))
    .execute(conn)
}

/// Adds to what users used of their months.
pub fn quota(conn: &mut PgConnection, rows: &[QuotaRow]) -> QueryResult<usize> {
    sql_query(concat!(
        "INSERT INTO quota_used AS t (user_id, environment, month, tokens, cost_usd, cost_pico) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (user_id, environment, month) DO UPDATE SET tokens = t.tokens + excluded.tokens, ",
        money!()
    ))
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.user_id))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.environment.as_str()))
    .bind::<Array<Integer>, Vec<i32>>(column(rows, |row| row.month))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.tokens))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.cost_usd))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.cost_pico))
    .execute(conn)
}

/// Adds to the roll-ups.
pub fn rollups(conn: &mut PgConnection, rows: &[RollupRow]) -> QueryResult<usize> {
    sql_query(concat!(
        "INSERT INTO usage_rollups AS t (quarter, user_id, api_key_id, environment, endpoint, provider, model, \
         request_type, outcome, requests, successful, prompt_tokens, completion_tokens, tokens, cost_usd, \
         cost_pico, unpriced, duration_ms) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT (user_id, quarter, api_key_id, environment, endpoint, provider, model, request_type, outcome) \
         DO UPDATE SET requests = t.requests + excluded.requests, \
         successful = t.successful + excluded.successful, \
         prompt_tokens = t.prompt_tokens + excluded.prompt_tokens, \
         completion_tokens = t.completion_tokens + excluded.completion_tokens, \
         tokens = t.tokens + excluded.tokens, unpriced = t.unpriced + excluded.unpriced, \
         duration_ms = t.duration_ms + excluded.duration_ms, ",
        money!()
    ))
    .bind::<Array<Integer>, Vec<i32>>(column(rows, |row| row.quarter))
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.user_id))
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.api_key_id))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.environment.as_str()))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.endpoint.as_str()))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.provider.as_str()))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.model.as_str()))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.request_type.as_str()))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.outcome))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.requests))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.successful))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.prompt_tokens))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.completion_tokens))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.tokens))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.cost_usd))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.cost_pico))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.unpriced))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.duration_ms))
    .execute(conn)
}

/// Adds to the counts of latencies.
pub fn latency(conn: &mut PgConnection, rows: &[LatencyRow]) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO usage_latency AS t (quarter, user_id, api_key_id, environment, bucket, requests) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (user_id, quarter, api_key_id, environment, bucket) \
         DO UPDATE SET requests = t.requests + excluded.requests",
    )
    .bind::<Array<Integer>, Vec<i32>>(column(rows, |row| row.quarter))
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.user_id))
    .bind::<Array<sql::Id>, Vec<Id>>(column(rows, |row| row.api_key_id))
    .bind::<Array<Text>, Vec<&str>>(column(rows, |row| row.environment.as_str()))
    .bind::<Array<SmallInt>, Vec<i16>>(column(rows, |row| row.bucket))
    .bind::<Array<BigInt>, Vec<i64>>(column(rows, |row| row.requests))
    .execute(conn)
}
