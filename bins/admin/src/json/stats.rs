//! Statistics of usage, as the API answers them.

use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use tollgate_billing::Money;
use tollgate_domain::{latency::percentile, quota::QuotaState};
use tollgate_store::{Stats, Totals};

use super::time;

/// Usage over some days.
#[derive(Debug, Serialize)]
pub struct StatsView<'a> {
    total_requests: u64,
    successful_requests: u64,
    failed_requests: u64,
    total_tokens: u64,
    total_cost_usd: Usd,
    avg_processing_ms: Option<u64>,
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
    p99_ms: Option<u64>,
    by_day: Vec<Group<'a>>,
    by_model: Vec<Group<'a>>,
    by_endpoint: Vec<Group<'a>>,
    quota: QuotaView,
}

/// Sums of a group, under the one name that it has.
#[derive(Debug, Serialize)]
struct Group<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    requests: u64,
    successful: u64,
    failed: u64,
    tokens: u64,
    cost_usd: Usd,
}

#[derive(Debug, Serialize)]
struct QuotaView {
    limit: u64,
    used: u64,
    remaining: u64,
    resets_at: String,
}

/// An amount as its digits: a binary float in between would not keep them.
#[derive(Debug)]
struct Usd(Money);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'a> Group<'a> {
    fn of(totals: &Totals) -> Self {
        Self {
            day: None,
            model: None,
            endpoint: None,
            requests: totals.requests,
            successful: totals.successful,
            failed: totals.failed(),
            tokens: totals.tokens,
            cost_usd: Usd(totals.cost),
        }
    }
}

impl<'a> StatsView<'a> {
    /// Sums and the owner's quota.
    pub fn new(stats: &'a Stats, quota: &QuotaState) -> Self {
        let Stats { totals, latency, by_day, by_model, by_endpoint } = stats;
        let day = |(day, totals): &(_, _)| Group { day: Some(format!("{day}")), ..Group::of(totals) };
        Self {
            total_requests: totals.requests,
            successful_requests: totals.successful,
            failed_requests: totals.failed(),
            total_tokens: totals.tokens,
            total_cost_usd: Usd(totals.cost),
            avg_processing_ms: totals.duration_ms.checked_div(totals.requests),
            p50_ms: percentile(latency, 50),
            p95_ms: percentile(latency, 95),
            p99_ms: percentile(latency, 99),
            by_day: by_day.iter().map(day).collect(),
            by_model: by_model
                .iter()
                .map(|(model, totals)| Group { model: Some(model.as_deref()), ..Group::of(totals) })
                .collect(),
            by_endpoint: by_endpoint
                .iter()
                .map(|(endpoint, totals)| Group { endpoint: Some(endpoint), ..Group::of(totals) })
                .collect(),
            quota: QuotaView {
                limit: quota.limit,
                used: quota.used,
                remaining: quota.remaining(),
                resets_at: time(quota.resets_at()),
            },
        }
    }
}
