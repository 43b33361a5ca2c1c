//! Second factors.

use tollgate_domain::{AuditEntry, Time, UserId};
use tollgate_store::{
    CodeAttempt, ConfirmedChange, FactorReset, NewChallenge, NewSecondFactor, NewSession, SecondFactor,
    SecondFactorStore, StoreError, Verdict,
};

use super::Wrapped;

impl SecondFactorStore for Wrapped<dyn SecondFactorStore> {
    fn of_user(&self, user: UserId) -> Result<SecondFactor, StoreError> {
        self.call("second_factors.of_user", |inner| inner.of_user(user))
    }

    fn propose(&self, user: UserId, pending: &[u8], audit: &[AuditEntry]) -> Result<bool, StoreError> {
        self.call("second_factors.propose", |inner| inner.propose(user, pending, audit))
    }

    fn enable(&self, factor: &NewSecondFactor) -> Result<bool, StoreError> {
        self.call("second_factors.enable", |inner| inner.enable(factor))
    }

    fn challenge(&self, challenge: &NewChallenge) -> Result<bool, StoreError> {
        self.call("second_factors.challenge", |inner| inner.challenge(challenge))
    }

    fn challenged(&self, tokens: &[[u8; 32]], now: Time) -> Result<Option<([u8; 32], UserId)>, StoreError> {
        self.call("second_factors.challenged", |inner| inner.challenged(tokens, now))
    }

    fn sign_in(
        &self,
        session: &NewSession,
        token: &[u8; 32],
        attempt: &CodeAttempt,
    ) -> Result<Verdict, StoreError> {
        self.call("second_factors.sign_in", |inner| inner.sign_in(session, token, attempt))
    }

    fn confirm(&self, confirmed: &ConfirmedChange) -> Result<Verdict, StoreError> {
        self.call("second_factors.confirm", |inner| inner.confirm(confirmed))
    }

    fn reset(&self, reset: &FactorReset) -> Result<bool, StoreError> {
        self.call("second_factors.reset", |inner| inner.reset(reset))
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("second_factors.forget", |inner| inner.forget(before, limit))
    }
}
