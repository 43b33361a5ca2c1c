//! What a user's plan is, and what the running month costs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tollgate_billing::projection::projected;
use tollgate_domain::{Month, Time, User, quota::QuotaState};
use tollgate_store::Totals;
use utoipa::ToSchema;

use super::{money::Usd, stats::QuotaView};

/// Plan, usage and cost of the running month.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingInfo)]
pub struct BillingInfoView {
    /// `free`, `pro` or `enterprise`.
    #[schema(value_type = String, pattern = "^(free|pro|enterprise)$")]
    tier: &'static str,
    /// Whether the plan holds: always `active` without a payment provider.
    #[schema(value_type = String)]
    status: &'static str,
    /// The running month.
    period: PeriodView,
    /// What was used in it.
    usage: PeriodUsageView,
    /// What that cost, as far as prices are known.
    #[schema(value_type = f64)]
    cost_to_date_usd: Usd,
    /// What the month will cost if it goes on as it went.
    #[schema(value_type = f64)]
    projected_cost_usd: Usd,
    /// Months that are closed, newest first; none without billing.
    #[schema(value_type = Vec<Object>)]
    records: [(); 0],
    /// The customer at the payment provider.
    provider: ProviderView,
    /// When usage and cost were complete; `null` before the first summing.
    as_of: Option<DateTime<Utc>>,
}

/// A calendar month in UTC.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingPeriod)]
pub struct PeriodView {
    /// Such as `2026-11`.
    #[schema(example = "2026-11")]
    month: String,
    /// When it began.
    start: DateTime<Utc>,
    /// When the next one begins.
    end: DateTime<Utc>,
}

/// What was used in a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingUsage)]
pub struct PeriodUsageView {
    /// All requests.
    requests: u64,
    /// Prompt and completion tokens.
    tokens: u64,
    /// Requests that used tokens for which no price is known: their cost is in no sum.
    unpriced_requests: u64,
    /// The tokens of the month.
    quota: QuotaView,
}

/// The customer at a payment provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingProvider)]
pub struct ProviderView {
    /// Its id there; `null` without one.
    customer_id: Option<String>,
    /// Where the customer sees invoices and changes the plan.
    portal_url: Option<String>,
}

impl BillingInfoView {
    /// A user's month as it is at `now`.
    pub fn new(user: &User, totals: Totals, quota: &QuotaState, now: Time, as_of: Option<Time>) -> Self {
        let month = Month::of(now);
        let (start, end) = (month.start(), month.next().start());
        let seconds = |until: Time| u32::try_from((until - start).num_seconds()).unwrap_or(0);
        Self {
            tier: user.tier.as_str(),
            status: "active",
            period: PeriodView { month: start.format("%Y-%m").to_string(), start, end },
            usage: PeriodUsageView {
                requests: totals.requests,
                tokens: totals.tokens,
                unpriced_requests: totals.unpriced,
                quota: quota.into(),
            },
            cost_to_date_usd: Usd(totals.cost),
            projected_cost_usd: Usd(projected(totals.cost, seconds(now), seconds(end))),
            records: [],
            provider: ProviderView { customer_id: None, portal_url: None },
            as_of,
        }
    }
}
