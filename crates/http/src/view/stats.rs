//! Statistics of usage.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tollgate_domain::{Time, latency::percentile, quota::QuotaState};
use tollgate_store::{Stats, Totals};
use utoipa::ToSchema;

use super::money::Usd;

/// Usage over some days.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageStats)]
pub struct StatsView {
    /// All requests, refused ones too.
    total_requests: u64,
    /// Those that were answered well.
    successful_requests: u64,
    /// The others.
    failed_requests: u64,
    /// Prompt and completion tokens.
    total_tokens: u64,
    /// The known costs.
    #[schema(value_type = f64)]
    total_cost_usd: Usd,
    /// Milliseconds from admission to the end, on average; `null` without requests.
    avg_processing_ms: Option<u64>,
    /// Milliseconds that half of the requests did not exceed; at most one sixteenth too high.
    p50_ms: Option<u64>,
    /// The same for 95 in 100.
    p95_ms: Option<u64>,
    /// The same for 99 in 100.
    p99_ms: Option<u64>,
    /// By day in UTC, ascending; days without requests are left out.
    by_day: Vec<DayView>,
    /// By public model name, most requests first.
    by_model: Vec<ModelView>,
    /// By endpoint, most requests first.
    by_endpoint: Vec<EndpointView>,
    /// The user's tokens of the running month.
    quota: QuotaView,
    /// When these sums were complete; `null` before the first summing.
    as_of: Option<DateTime<Utc>>,
}

/// Sums of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageTotals)]
pub struct TotalsView {
    /// All requests.
    requests: u64,
    /// Those that were answered well.
    successful: u64,
    /// The others.
    failed: u64,
    /// Prompt and completion tokens.
    tokens: u64,
    /// The known costs.
    #[schema(value_type = f64)]
    cost_usd: Usd,
}

/// Sums of a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageByDay)]
pub struct DayView {
    /// The day in UTC.
    day: NaiveDate,
    #[serde(flatten)]
    totals: TotalsView,
}

/// Sums of a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageByModel)]
pub struct ModelView {
    /// Its public name; `null` for requests that named none.
    model: Option<String>,
    #[serde(flatten)]
    totals: TotalsView,
}

/// Sums of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageByEndpoint)]
pub struct EndpointView {
    /// The route.
    endpoint: String,
    #[serde(flatten)]
    totals: TotalsView,
}

/// Tokens of a calendar month in UTC.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaView {
    /// What the month allows.
    limit: u64,
    /// What was used.
    used: u64,
    /// What is left; never negative.
    remaining: u64,
    /// When the next month's come.
    resets_at: DateTime<Utc>,
}

impl StatsView {
    /// Sums and quota, complete as of a time.
    pub fn new(stats: Stats, quota: &QuotaState, as_of: Option<Time>) -> Self {
        let Stats { totals, latency, by_day, by_model, by_endpoint } = stats;
        Self {
            total_requests: totals.requests,
            successful_requests: totals.successful,
            failed_requests: totals.failed(),
            total_tokens: totals.tokens,
            total_cost_usd: Usd(totals.cost),
            avg_processing_ms: totals.duration_ms.checked_div(totals.requests),
            p50_ms: percentile(&latency, 50),
            p95_ms: percentile(&latency, 95),
            p99_ms: percentile(&latency, 99),
            by_day: by_day.into_iter().map(|(day, totals)| DayView { day, totals: totals.into() }).collect(),
            by_model: by_model
                .into_iter()
                .map(|(model, totals)| ModelView { model, totals: totals.into() })
                .collect(),
            by_endpoint: by_endpoint
                .into_iter()
                .map(|(endpoint, totals)| EndpointView { endpoint, totals: totals.into() })
                .collect(),
            quota: quota.into(),
            as_of,
        }
    }
}

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            requests: totals.requests,
            successful: totals.successful,
            failed: totals.failed(),
            tokens: totals.tokens,
            cost_usd: Usd(totals.cost),
        }
    }
}

impl From<&QuotaState> for QuotaView {
    fn from(quota: &QuotaState) -> Self {
        Self {
            limit: quota.limit,
            used: quota.used,
            remaining: quota.remaining(),
            resets_at: quota.resets_at(),
        }
    }
}
