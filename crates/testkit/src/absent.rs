//! Stores that are away.

use tollgate_domain::{AuditEntry, AuditHead, KeyId, OutboxEvent, Session, SessionId, Time, User, UserId};
use tollgate_store::{
    AddressCount, Attempt, AttemptStore, Attempted, AuditFilter, AuditStore, Begun, ChainedRow, CodeAttempt,
    Confirmation, Confirmed, ConfirmedChange, DeviceCode, DeviceDecision, DeviceStore, EntryOf, ExpiringKey,
    ExternalIdentityStore, FactorReset, FoundDevice, Issue, Link, LinkedIdentity, ListedEntry, MailToken,
    MailTokenStore, NewChallenge, NewDevice, NewKey, NewMail, NewSecondFactor, NewSession, NewUser,
    OutboxStore, PasswordReset, Poll, Polled, SecondFactor, SecondFactorStore, SignUp, SignedUp, StoreError,
    Verdict, WebSessionStore,
};

/// Every port that a test's own stores need to have and nobody is to ask: all that it says is `Unavailable`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Absent;

fn absent<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("this test has no such store"))
}

impl ExternalIdentityStore for Absent {
    fn user(&self, _: &str, _: &str) -> Result<Option<User>, StoreError> {
        absent()
    }
    fn create_user(
        &self,
        _: &NewUser,
        _: &NewKey,
        _: &LinkedIdentity,
        _: &[AuditEntry],
    ) -> Result<(), StoreError> {
        absent()
    }
    fn link(
        &self,
        _: &LinkedIdentity,
        _: u32,
        _: Option<&NewMail>,
        _: &[AuditEntry],
    ) -> Result<Link, StoreError> {
        absent()
    }
    fn list(&self, _: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        absent()
    }
}

impl AttemptStore for Absent {
    fn begin(&self, _: &Attempt) -> Result<Attempted, StoreError> {
        absent()
    }
    fn count_address(&self, _: &AddressCount, _: Time) -> Result<Option<Time>, StoreError> {
        absent()
    }
    fn clear(&self, _: &[[u8; 32]], _: Option<UserId>, _: &[AuditEntry]) -> Result<(), StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl AuditStore for Absent {
    fn note(&self, _: &[AuditEntry]) -> Result<(), StoreError> {
        absent()
    }
    fn list(&self, _: Option<i64>, _: u32, _: &AuditFilter) -> Result<Vec<ListedEntry>, StoreError> {
        absent()
    }
    fn rows(&self, _: i64, _: u32) -> Result<Vec<ChainedRow>, StoreError> {
        absent()
    }
    fn head(&self) -> Result<AuditHead, StoreError> {
        absent()
    }
    fn erase(&self, _: UserId, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl DeviceStore for Absent {
    fn begin(&self, _: &NewDevice, _: u32) -> Result<Begun, StoreError> {
        absent()
    }
    fn poll(&self, _: &Poll) -> Result<Polled, StoreError> {
        absent()
    }
    fn find(&self, _: &DeviceCode) -> Result<FoundDevice, StoreError> {
        absent()
    }
    fn decide(&self, _: &DeviceDecision) -> Result<FoundDevice, StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl WebSessionStore for Absent {
    fn open(&self, _: &[u8; 32], _: SessionId, _: Time) -> Result<bool, StoreError> {
        absent()
    }
    fn by_hash(&self, _: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        absent()
    }
}

impl MailTokenStore for Absent {
    fn issue(&self, _: &Issue) -> Result<bool, StoreError> {
        absent()
    }
    fn by_hash(&self, _: &[u8; 32]) -> Result<Option<MailToken>, StoreError> {
        absent()
    }
    fn sign_up(&self, _: &SignUp) -> Result<SignedUp, StoreError> {
        absent()
    }
    fn reset_password(&self, _: &PasswordReset, _: &EntryOf) -> Result<bool, StoreError> {
        absent()
    }
    fn confirm(&self, _: &Confirmation) -> Result<Confirmed, StoreError> {
        absent()
    }
    fn disown(&self, _: &[u8; 32], _: Time, _: &[AuditEntry]) -> Result<bool, StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl SecondFactorStore for Absent {
    fn of_user(&self, _: UserId) -> Result<SecondFactor, StoreError> {
        absent()
    }
    fn propose(&self, _: UserId, _: &[u8], _: &[AuditEntry]) -> Result<bool, StoreError> {
        absent()
    }
    fn enable(&self, _: &NewSecondFactor) -> Result<bool, StoreError> {
        absent()
    }
    fn challenge(&self, _: &NewChallenge) -> Result<bool, StoreError> {
        absent()
    }
    fn challenged(&self, _: &[[u8; 32]], _: Time) -> Result<Option<([u8; 32], UserId)>, StoreError> {
        absent()
    }
    fn sign_in(&self, _: &NewSession, _: &[u8; 32], _: &CodeAttempt) -> Result<Verdict, StoreError> {
        absent()
    }
    fn confirm(&self, _: &ConfirmedChange) -> Result<Verdict, StoreError> {
        absent()
    }
    fn reset(&self, _: &FactorReset) -> Result<bool, StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl tollgate_store::ErasureStore for Absent {
    fn due(&self, _: Time) -> Result<Option<UserId>, StoreError> {
        absent()
    }
    fn sweep(&self, _: UserId, _: Time, _: u32) -> Result<bool, StoreError> {
        absent()
    }
}

impl OutboxStore for Absent {
    fn waiting(&self, _: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        absent()
    }
    fn expiring(&self, _: Time, _: Time, _: u32) -> Result<Vec<ExpiringKey>, StoreError> {
        absent()
    }
    fn tell_expiring(&self, _: &[(KeyId, OutboxEvent)]) -> Result<u64, StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}

impl tollgate_store::IdempotencyStore for Absent {
    fn begin(&self, _: &tollgate_store::NewRun) -> Result<tollgate_store::RunBegun, StoreError> {
        absent()
    }
    fn keep(&self, _: tollgate_domain::RunId, _: &[u8]) -> Result<bool, StoreError> {
        absent()
    }
    fn release(&self, _: tollgate_domain::RunId, _: bool) -> Result<(), StoreError> {
        absent()
    }
    fn forget(&self, _: Time, _: u32) -> Result<u64, StoreError> {
        absent()
    }
}
