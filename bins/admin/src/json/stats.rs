//! Statistics of usage, as the API answers them.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_billing::Money;
use tollgate_domain::{Time, latency::percentile, quota::QuotaState};
use tollgate_store::{Stats, Totals};

/// Usage over some days.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatsView {
    /// All requests.
    pub total_requests: u64,
    successful_requests: u64,
    /// Those that were not answered well.
    pub failed_requests: u64,
    /// Prompt and completion tokens.
    pub total_tokens: u64,
    /// The known costs.
    pub total_cost_usd: Usd,
    avg_processing_ms: Option<u64>,
    /// Milliseconds that half of the requests did not exceed.
    pub p50_ms: Option<u64>,
    /// The same for 95 in 100.
    pub p95_ms: Option<u64>,
    /// The same for 99 in 100.
    pub p99_ms: Option<u64>,
    /// By day in UTC, ascending; days without requests are left out.
    pub by_day: Vec<Group>,
    /// By public model name.
    pub by_model: Vec<Group>,
    /// By endpoint.
    pub by_endpoint: Vec<Group>,
    /// The owner's tokens of the running month.
    pub quota: QuotaView,
}

/// Sums of a group, under the one name that it has.
#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    /// The day, in a sum of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// The model, in a sum of one: none, where the requests named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Option<String>>,
    /// The endpoint, in a sum of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The sums.
    pub requests: u64,
    successful: u64,
    /// Those that were not answered well.
    pub failed: u64,
    /// Prompt and completion tokens.
    pub tokens: u64,
    /// The known costs.
    pub cost_usd: Usd,
}

/// Tokens of a calendar month in UTC.
#[derive(Debug, Serialize, Deserialize)]
pub struct QuotaView {
    /// What the month allows.
    pub limit: u64,
    /// What was used.
    pub used: u64,
    /// What is left.
    pub remaining: u64,
    /// When the next month's come.
    pub resets_at: Time,
}

/// An amount as its digits: a binary float in between would not keep them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(Box<RawValue>);

impl Usd {
    /// The digits.
    pub fn digits(&self) -> &str {
        self.0.get()
    }
}

impl From<Money> for Usd {
    fn from(amount: Money) -> Self {
        Self(RawValue::from_string(amount.to_string()).unwrap_or_else(|_no_number| RawValue::NULL.to_owned()))
    }
}

impl Group {
    fn of(totals: &Totals) -> Self {
        Self {
            day: None,
            model: None,
            endpoint: None,
            requests: totals.requests,
            successful: totals.successful,
            failed: totals.failed(),
            tokens: totals.tokens,
            cost_usd: totals.cost.into(),
        }
    }
}

impl StatsView {
    /// Sums and the owner's quota.
    pub fn new(stats: &Stats, quota: &QuotaState) -> Self {
        let Stats { totals, latency, by_day, by_model, by_endpoint } = stats;
        Self {
            total_requests: totals.requests,
            successful_requests: totals.successful,
            failed_requests: totals.failed(),
            total_tokens: totals.tokens,
            total_cost_usd: totals.cost.into(),
            avg_processing_ms: totals.duration_ms.checked_div(totals.requests),
            p50_ms: percentile(latency, 50),
            p95_ms: percentile(latency, 95),
            p99_ms: percentile(latency, 99),
            by_day: by_day
                .iter()
                .map(|(day, totals)| Group { day: Some(*day), ..Group::of(totals) })
                .collect(),
            by_model: by_model
                .iter()
                .map(|(model, totals)| Group { model: Some(model.clone()), ..Group::of(totals) })
                .collect(),
            by_endpoint: by_endpoint
                .iter()
                .map(|(endpoint, totals)| Group { endpoint: Some(endpoint.clone()), ..Group::of(totals) })
                .collect(),
            quota: QuotaView::new(quota),
        }
    }
}

impl QuotaView {
    /// Where a user's month stands.
    pub fn new(quota: &QuotaState) -> Self {
        Self {
            limit: quota.limit,
            used: quota.used,
            remaining: quota.remaining(),
            resets_at: quota.resets_at(),
        }
    }
}
