//! The upserts of the fold, for SQLite; Postgres has its own in `columns.rs`. Rows come sorted by their keys.

use std::collections::BTreeMap;

use diesel::{dsl::sql, expression::SqlLiteral, prelude::*, sql_types::BigInt, upsert::excluded};
use tollgate_billing::Money;

use super::{KeySum, LatencyKey, QuotaKey, Rollup, RollupKey, columns};
use crate::{
    both::Conn,
    failure::Failure,
    schema::{key_totals, quota_used, usage_latency, usage_rollups},
    types::{Id, Ts},
};

/// Sums that are written by one statement: with up to 18 values each, far below either database's limit.
const CHUNK: usize = 500;

/// Whole dollars and the rest, as columns.
fn parts(money: Money) -> (i64, i64) {
    let (usd, pico) = money.split();
    (i64::try_from(usd).unwrap_or(i64::MAX), i64::try_from(pico).unwrap_or(0))
}

/// The upsert's dollars, with what the pico-dollars of both carry over.
fn carried(table: &str) -> SqlLiteral<BigInt> {
    sql(&format!(
        "{table}.cost_usd + excluded.cost_usd + ({table}.cost_pico + excluded.cost_pico) / 1000000000000"
    ))
}

/// The upsert's pico-dollars without what was carried over.
fn rest(table: &str) -> SqlLiteral<BigInt> {
    sql(&format!("({table}.cost_pico + excluded.cost_pico) % 1000000000000"))
}

/// A key's totals.
#[derive(Insertable)]
#[diesel(table_name = key_totals, treat_none_as_default_value = false)]
pub struct KeyRow {
    pub key_id: Id,
    pub request_count: i64,
    pub last_used_at: Ts,
}

/// Adds to the keys' totals.
pub fn keys(conn: &mut Conn, sums: BTreeMap<Id, KeySum>) -> Result<(), Failure> {
    use key_totals::{last_used_at, request_count, table};

    const LATER: &str = "max(key_totals.last_used_at, excluded.last_used_at)";
    let row = |(key, sum): (_, KeySum)| KeyRow {
        key_id: key,
        request_count: sum.requests,
        last_used_at: sum.last_used_at,
    };
    let rows: Vec<_> = sums.into_iter().map(row).collect();
    match conn {
        Conn::Pg(conn) => {
            columns::keys(conn, &rows)?;
        }
        Conn::Sqlite(conn) => {
            for rows in rows.chunks(CHUNK) {
                diesel::insert_into(table)
                    .values(rows)
                    .on_conflict(key_totals::key_id)
                    .do_update()
                    .set((
                        request_count.eq(request_count + excluded(request_count)),
                        last_used_at.eq(sql(LATER)),
                    ))
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}

/// What a user used of a month.
#[derive(Insertable)]
#[diesel(table_name = quota_used, treat_none_as_default_value = false)]
pub struct QuotaRow {
    pub user_id: Id,
    pub environment: String,
    pub month: i32,
    pub tokens: i64,
    pub cost_usd: i64,
    pub cost_pico: i64,
}

fn quota_row(((user_id, environment, month), (tokens, cost)): (QuotaKey, (i64, Money))) -> QuotaRow {
    let (cost_usd, cost_pico) = parts(cost);
    QuotaRow { user_id, environment, month, tokens, cost_usd, cost_pico }
}

/// Adds to what users used of their months.
pub fn quota(conn: &mut Conn, sums: BTreeMap<QuotaKey, (i64, Money)>) -> Result<(), Failure> {
    use quota_used::{cost_pico, cost_usd, environment, month, table, tokens, user_id};

    let rows: Vec<_> = sums.into_iter().map(quota_row).collect();
    match conn {
        Conn::Pg(conn) => {
            columns::quota(conn, &rows)?;
        }
        Conn::Sqlite(conn) => {
            for rows in rows.chunks(CHUNK) {
                diesel::insert_into(table)
                    .values(rows)
                    .on_conflict((user_id, environment, month))
                    .do_update()
                    .set((
                        tokens.eq(tokens + excluded(tokens)),
                        cost_usd.eq(carried("quota_used")),
                        cost_pico.eq(rest("quota_used")),
                    ))
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}

/// A roll-up.
#[derive(Insertable)]
#[diesel(table_name = usage_rollups, treat_none_as_default_value = false)]
pub struct RollupRow {
    pub quarter: i32,
    pub user_id: Id,
    pub api_key_id: Id,
    pub environment: String,
    pub endpoint: String,
    pub provider: String,
    pub model: String,
    pub request_type: String,
    pub outcome: &'static str,
    pub requests: i64,
    pub successful: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub tokens: i64,
    pub cost_usd: i64,
    pub cost_pico: i64,
    pub unpriced: i64,
    pub duration_ms: i64,
}

fn rollup_row(key: RollupKey, sum: &Rollup) -> RollupRow {
    let (cost_usd, cost_pico) = parts(sum.cost);
    RollupRow {
        quarter: key.quarter,
        user_id: key.user_id,
        api_key_id: key.api_key_id,
        environment: key.environment,
        endpoint: key.endpoint,
        provider: key.provider,
        model: key.model,
        request_type: key.request_type,
        outcome: key.outcome,
        requests: sum.requests,
        successful: sum.successful,
        prompt_tokens: sum.prompt,
        completion_tokens: sum.completion,
        tokens: sum.prompt.saturating_add(sum.completion),
        cost_usd,
        cost_pico,
        unpriced: sum.unpriced,
        duration_ms: sum.duration_ms,
    }
}

/// Adds to the roll-ups.
pub fn rollups(conn: &mut Conn, sums: BTreeMap<RollupKey, Rollup>) -> Result<(), Failure> {
    use usage_rollups::{
        api_key_id, completion_tokens, cost_pico, cost_usd, duration_ms, endpoint, environment, model,
        outcome, prompt_tokens, provider, quarter, request_type, requests, successful, table, tokens,
        unpriced, user_id,
    };

    let rows: Vec<_> = sums.into_iter().map(|(key, sum)| rollup_row(key, &sum)).collect();
    match conn {
        Conn::Pg(conn) => {
            columns::rollups(conn, &rows)?;
        }
        Conn::Sqlite(conn) => {
            for rows in rows.chunks(CHUNK) {
                diesel::insert_into(table)
                    .values(rows)
                    .on_conflict((
                        user_id,
                        quarter,
                        api_key_id,
                        environment,
                        endpoint,
                        provider,
                        model,
                        request_type,
                        outcome,
                    ))
                    .do_update()
                    .set((
                        requests.eq(requests + excluded(requests)),
                        successful.eq(successful + excluded(successful)),
                        prompt_tokens.eq(prompt_tokens + excluded(prompt_tokens)),
                        completion_tokens.eq(completion_tokens + excluded(completion_tokens)),
                        tokens.eq(tokens + excluded(tokens)),
                        cost_usd.eq(carried("usage_rollups")),
                        cost_pico.eq(rest("usage_rollups")),
                        unpriced.eq(unpriced + excluded(unpriced)),
                        duration_ms.eq(duration_ms + excluded(duration_ms)),
                    ))
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}

/// How often a latency was seen.
#[derive(Insertable)]
#[diesel(table_name = usage_latency, treat_none_as_default_value = false)]
pub struct LatencyRow {
    pub quarter: i32,
    pub user_id: Id,
    pub api_key_id: Id,
    pub environment: String,
    pub bucket: i16,
    pub requests: i64,
}

fn latency_row(
    ((user_id, quarter, api_key_id, environment, bucket), requests): (LatencyKey, i64),
) -> LatencyRow {
    LatencyRow { quarter, user_id, api_key_id, environment, bucket, requests }
}

/// Adds to the counts of latencies.
pub fn latency(conn: &mut Conn, sums: BTreeMap<LatencyKey, i64>) -> Result<(), Failure> {
    use usage_latency::{api_key_id, bucket, environment, quarter, requests, table, user_id};

    let rows: Vec<_> = sums.into_iter().map(latency_row).collect();
    match conn {
        Conn::Pg(conn) => {
            columns::latency(conn, &rows)?;
        }
        Conn::Sqlite(conn) => {
            for rows in rows.chunks(CHUNK) {
                diesel::insert_into(table)
                    .values(rows)
                    .on_conflict((user_id, quarter, api_key_id, environment, bucket))
                    .do_update()
                    .set(requests.eq(requests + excluded(requests)))
                    .execute(conn)?;
            }
        }
    }
    Ok(())
}
