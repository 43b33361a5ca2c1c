//! `UsageStore`: reading the sums that the fold wrote.

use std::collections::HashMap;

use chrono::{NaiveDate, TimeDelta};
use diesel::{
    dsl::sql,
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Integer},
};
use tollgate_billing::Money;
use tollgate_domain::{Environment, KeyId, Month, Time, UserId};
use tollgate_store::{
    KeyTotals, LogMark, LogPage, Stats, StoreError, Totals, UsageScope, UsageStore, page::MAX_PAGE,
};

use crate::{
    both::Conn,
    database::Database,
    failure::Failure,
    fold::quarter_of,
    log, number,
    schema::{quota_used, usage_latency, usage_rollups},
    types::Id,
};

/// The most models or endpoints that a breakdown tells; models are named by callers.
const MAX_GROUPS: i64 = 1_000;
/// A roll-up's money is less than a dollar in pico-dollars; summed in two halves it cannot outgrow 64 bits.
const HALF: i128 = 1_000_000;
const TABLE: &str = "usage_rollups";

type Sum = SqlLiteral<BigInt>;
type SumRow = (i64, i64, i64, i64, i64, i64, i64, i64);

/// The sums of a group, in the order of [`SumRow`].
fn sums() -> (Sum, Sum, Sum, Sum, Sum, Sum, Sum, Sum) {
    let sum = |expression: &str| sql::<BigInt>(&format!("CAST(SUM({expression}) AS bigint)"));
    (
        sum("requests"),
        sum("successful"),
        sum("tokens"),
        sum("cost_usd"),
        sum("cost_pico / 1000000"),
        sum("cost_pico % 1000000"),
        sum("unpriced"),
        sum("duration_ms"),
    )
}

fn totals(row: SumRow) -> Result<Totals, StoreError> {
    let (requests, successful, tokens, usd, upper, lower, unpriced, duration_ms) = row;
    let pico = i128::from(upper).saturating_mul(HALF).saturating_add(lower.into());
    Ok(Totals {
        requests: number::read(requests, TABLE, "number of requests")?,
        successful: number::read(successful, TABLE, "number of successes")?,
        tokens: number::read(tokens, TABLE, "number of tokens")?,
        cost: Money::join(usd.into(), pico),
        unpriced: number::read(unpriced, TABLE, "number of unpriced requests")?,
        duration_ms: number::read(duration_ms, TABLE, "duration")?,
    })
}

fn add(sum: Totals, other: &Totals) -> Totals {
    Totals {
        requests: sum.requests.saturating_add(other.requests),
        successful: sum.successful.saturating_add(other.successful),
        tokens: sum.tokens.saturating_add(other.tokens),
        cost: sum.cost + other.cost,
        unpriced: sum.unpriced.saturating_add(other.unpriced),
        duration_ms: sum.duration_ms.saturating_add(other.duration_ms),
    }
}

/// What is asked for, as columns have it.
#[derive(Clone, Copy)]
struct Span<'a> {
    scope: &'a UsageScope,
    from: i32,
    to: i32,
}

/// Narrows a query over a table of usage to a scope.
macro_rules! scoped {
    ($query:expr, $table:ident, $scope:expr) => {{
        let mut query = $query.into_boxed::<$crate::both::MultiBackend>();
        if let Some(user) = $scope.user {
            query = query.filter($table::user_id.eq($crate::types::Id::from(user)));
        }
        if let Some(key) = $scope.key {
            query = query.filter($table::api_key_id.eq($crate::types::Id::from(key)));
        }
        if let Some(environment) = $scope.environment {
            query = query.filter($table::environment.eq(environment.as_str()));
        }
        query
    }};
}
pub(crate) use scoped;

/// Narrows a query over a table of sums to a span.
macro_rules! within {
    ($query:expr, $table:ident, $span:expr) => {{
        let query = $query.filter($table::quarter.ge($span.from)).filter($table::quarter.lt($span.to));
        scoped!(query, $table, $span.scope)
    }};
}

impl UsageStore for Database {
    fn quota_used(&self, user: UserId, environment: Environment, month: Month) -> Result<u64, StoreError> {
        let tokens: Option<i64> = self.lookup(move |conn| {
            Ok(quota_used::table
                .find((Id::from(user), environment.as_str(), month.number()))
                .select(quota_used::tokens)
                .first(conn)
                .optional()?)
        })?;
        number::read(tokens.unwrap_or(0), "quota_used", "number of tokens")
    }

    fn stats(&self, scope: &UsageScope, from: Time, to: Time) -> Result<Stats, StoreError> {
        let (scope, from, to) = (*scope, quarter_of(from.into()), quarter_of(to.into()));
        self.report(move |conn| {
            let span = Span { scope: &scope, from, to };
            let by_day = by_day(conn, span)?;
            Ok(Stats {
                totals: by_day.iter().fold(Totals::default(), |sum, (_, day)| add(sum, day)),
                latency: latency(conn, span)?,
                by_day,
                by_model: by_model(conn, span)?,
                by_endpoint: by_endpoint(conn, span)?,
            })
        })
    }

    fn key_totals(&self, keys: &[KeyId], from: Time) -> Result<HashMap<KeyId, KeyTotals>, StoreError> {
        use usage_rollups::{api_key_id, quarter, table};

        let ids: Vec<_> = keys.iter().map(|key| Id::from(*key)).collect();
        let sum = |column: &str| sql::<BigInt>(&format!("CAST(SUM({column}) AS bigint)"));
        let rows: Vec<(Id, i64, i64)> = self.report(move |conn| {
            Ok(table
                .filter(api_key_id.eq_any(ids))
                .filter(quarter.ge(quarter_of(from.into())))
                .group_by(api_key_id)
                .select((api_key_id, sum("requests"), sum("tokens")))
                .load(conn)?)
        })?;
        rows.into_iter()
            .map(|(key, requests, tokens)| {
                let requests = number::read(requests, TABLE, "number of requests")?;
                let tokens = number::read(tokens, TABLE, "number of tokens")?;
                Ok((key.into(), KeyTotals { requests, tokens }))
            })
            .collect()
    }

    fn events(&self, scope: &UsageScope, limit: u32, after: Option<LogMark>) -> Result<LogPage, StoreError> {
        let (scope, limit) = (*scope, limit.clamp(1, MAX_PAGE));
        self.report(move |conn| log::page(conn, &scope, limit, after))
    }
}

fn by_day(conn: &mut Conn, span: Span<'_>) -> Result<Vec<(NaiveDate, Totals)>, Failure> {
    // Quarter-hours of a day.
    let day = || sql::<Integer>("quarter / 96");
    let query = usage_rollups::table.group_by(day()).select((day(), sums())).order(day());
    let rows: Vec<(i32, SumRow)> = within!(query, usage_rollups, span).load(conn)?;
    let date = |days: i32| NaiveDate::default().checked_add_signed(TimeDelta::days(days.into()));
    rows.into_iter()
        .map(|(days, row)| {
            let day = date(days).ok_or(StoreError::Corrupt { table: TABLE, what: "day" })?;
            Ok((day, totals(row)?))
        })
        .collect()
}

/// Most requests first.
fn busiest() -> Sum {
    sql("SUM(requests) DESC")
}

fn by_model(conn: &mut Conn, span: Span<'_>) -> Result<Vec<(Option<String>, Totals)>, Failure> {
    use usage_rollups::{model, table};

    let query = table.group_by(model).select((model, sums())).order((busiest(), model)).limit(MAX_GROUPS);
    let rows: Vec<(String, SumRow)> = within!(query, usage_rollups, span).load(conn)?;
    rows.into_iter()
        .map(|(name, row)| Ok((Some(name).filter(|name| !name.is_empty()), totals(row)?)))
        .collect()
}

fn by_endpoint(conn: &mut Conn, span: Span<'_>) -> Result<Vec<(String, Totals)>, Failure> {
    use usage_rollups::{endpoint, table};

    let query =
        table.group_by(endpoint).select((endpoint, sums())).order((busiest(), endpoint)).limit(MAX_GROUPS);
    let rows: Vec<(String, SumRow)> = within!(query, usage_rollups, span).load(conn)?;
    rows.into_iter().map(|(name, row)| Ok((name, totals(row)?))).collect()
}

fn latency(conn: &mut Conn, span: Span<'_>) -> Result<Vec<(u16, u64)>, Failure> {
    use usage_latency::{bucket, table};

    let seen = sql::<BigInt>("CAST(SUM(requests) AS bigint)");
    let query = table.group_by(bucket).select((bucket, seen)).order(bucket);
    let rows: Vec<(i16, i64)> = within!(query, usage_latency, span).load(conn)?;
    rows.into_iter()
        .map(|(number, seen)| {
            let corrupt = StoreError::Corrupt { table: "usage_latency", what: "bucket" };
            let number = u16::try_from(number).map_err(|_negative| corrupt)?;
            Ok((number, number::read(seen, "usage_latency", "number of requests")?))
        })
        .collect()
}
