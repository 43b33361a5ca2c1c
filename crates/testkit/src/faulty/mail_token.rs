//! Tokens of mails.

use tollgate_domain::{AuditEntry, Time};
use tollgate_store::{
    Confirmation, Confirmed, EntryOf, Issue, MailToken, MailTokenStore, PasswordReset, SignUp, SignedUp,
    StoreError,
};

use super::Wrapped;

impl MailTokenStore for Wrapped<dyn MailTokenStore> {
    fn issue(&self, issue: &Issue) -> Result<bool, StoreError> {
        self.call("mail_tokens.issue", |inner| inner.issue(issue))
    }

    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<MailToken>, StoreError> {
        self.call("mail_tokens.by_hash", |inner| inner.by_hash(hash))
    }

    fn sign_up(&self, wish: &SignUp) -> Result<SignedUp, StoreError> {
        self.call("mail_tokens.sign_up", |inner| inner.sign_up(wish))
    }

    fn reset_password(&self, reset: &PasswordReset, revoked: &EntryOf) -> Result<bool, StoreError> {
        self.call("mail_tokens.reset_password", |inner| inner.reset_password(reset, revoked))
    }

    fn confirm(&self, confirmation: &Confirmation) -> Result<Confirmed, StoreError> {
        self.call("mail_tokens.confirm", |inner| inner.confirm(confirmation))
    }

    fn disown(&self, token: &[u8; 32], now: Time, audit: &[AuditEntry]) -> Result<bool, StoreError> {
        self.call("mail_tokens.disown", |inner| inner.disown(token, now, audit))
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("mail_tokens.forget", |inner| inner.forget(before, limit))
    }
}
