//! Calls that carry an `Idempotency-Key`.

use tollgate_domain::{RunId, Time};
use tollgate_store::{IdempotencyStore, NewRun, RunBegun, StoreError};

use super::Wrapped;

impl IdempotencyStore for Wrapped<dyn IdempotencyStore> {
    fn begin(&self, run: &NewRun) -> Result<RunBegun, StoreError> {
        self.call("idempotency.begin", |inner| inner.begin(run))
    }

    fn keep(&self, run: RunId, answer: &[u8]) -> Result<bool, StoreError> {
        self.call("idempotency.keep", |inner| inner.keep(run, answer))
    }

    fn release(&self, run: RunId, even_if_done: bool) -> Result<(), StoreError> {
        self.call("idempotency.release", |inner| inner.release(run, even_if_done))
    }

    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("idempotency.forget", |inner| inner.forget(now, limit))
    }
}
