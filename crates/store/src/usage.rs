//! Usage, read: the sums as the fold wrote them, and the events themselves.

use std::collections::HashMap;

use chrono::NaiveDate;
use tollgate_billing::Money;
use tollgate_domain::{Environment, EventId, KeyId, Month, Time, UsageEvent, UserId};

use crate::StoreError;

/// Whose usage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageScope {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only this key's.
    pub key: Option<KeyId>,
    /// Only live or only test.
    pub environment: Option<Environment>,
}

/// Sums over some requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All requests, refused ones too.
    pub requests: u64,
    /// Those that were answered well.
    pub successful: u64,
    /// Prompt and completion tokens.
    pub tokens: u64,
    /// The known costs.
    pub cost: Money,
    /// Requests that used tokens but whose price is unknown.
    pub unpriced: u64,
    /// Milliseconds from admission to the end, summed.
    pub duration_ms: u64,
}

impl Totals {
    /// Those that were not answered well.
    pub const fn failed(&self) -> u64 {
        self.requests.saturating_sub(self.successful)
    }
}

/// Sums over a span of time, and broken down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Over all.
    pub totals: Totals,
    /// By latency bucket (see `tollgate_domain::latency`), ascending.
    pub latency: Vec<(u16, u64)>,
    /// By day in UTC, ascending; days without requests are left out.
    pub by_day: Vec<(NaiveDate, Totals)>,
    /// By public model name, most requests first; `None` for requests that named none.
    pub by_model: Vec<(Option<String>, Totals)>,
    /// By endpoint, most requests first.
    pub by_endpoint: Vec<(String, Totals)>,
}

/// What lists of keys show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyTotals {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
}

/// A place in a log: what comes after it was admitted earlier, or at the same time with a smaller id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMark {
    /// When the event at the place was admitted, if there is one.
    pub time: Time,
    /// Its id; the nil id lies behind all events of that time.
    pub id: EventId,
}

/// Events of a log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// At most as many as were asked for; fewer do not mean that there are no more.
    pub items: Vec<UsageEvent>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<LogMark>,
}

/// Where usage is read.
pub trait UsageStore: Send + Sync {
    /// Tokens that a user used in a month, as of the last fold.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn quota_used(&self, user: UserId, environment: Environment, month: Month) -> Result<u64, StoreError>;

    /// Sums over `[from, to)`; both are cut down to the quarter-hour.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn stats(&self, scope: &UsageScope, from: Time, to: Time) -> Result<Stats, StoreError>;

    /// Sums by key since `from`, for at most a page of keys.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn key_totals(&self, keys: &[KeyId], from: Time) -> Result<HashMap<KeyId, KeyTotals>, StoreError>;

    /// At most `limit` events (1 to [`MAX_PAGE`](crate::page::MAX_PAGE)), newest first, from `after` on:
    /// every event that was appended before the call, folded or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn events(&self, scope: &UsageScope, limit: u32, after: Option<LogMark>) -> Result<LogPage, StoreError>;
}
