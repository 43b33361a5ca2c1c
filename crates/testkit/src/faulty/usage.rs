//! Usage: sums and events.

use std::collections::HashMap;

use tollgate_domain::{Environment, KeyId, Month, Time, UserId};
use tollgate_store::{KeyTotals, LogMark, LogPage, Stats, StoreError, UsageScope, UsageStore};

use super::Wrapped;

impl UsageStore for Wrapped<dyn UsageStore> {
    fn quota_used(&self, user: UserId, environment: Environment, month: Month) -> Result<u64, StoreError> {
        self.call("usage.quota_used", |inner| inner.quota_used(user, environment, month))
    }

    fn stats(&self, scope: &UsageScope, from: Time, to: Time) -> Result<Stats, StoreError> {
        self.call("usage.stats", |inner| inner.stats(scope, from, to))
    }

    fn key_totals(&self, keys: &[KeyId], from: Time) -> Result<HashMap<KeyId, KeyTotals>, StoreError> {
        self.call("usage.key_totals", |inner| inner.key_totals(keys, from))
    }

    fn events(&self, scope: &UsageScope, limit: u32, after: Option<LogMark>) -> Result<LogPage, StoreError> {
        self.call("usage.events", |inner| inner.events(scope, limit, after))
    }
}
