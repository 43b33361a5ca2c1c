//! Sums of usage.

use std::collections::HashMap;

use tollgate_domain::{Environment, KeyId, Month, Time, UserId};
use tollgate_store::{KeyTotals, Stats, StoreError, UsageScope, UsageStore};

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
}
