//! Tokens that leave by mail: 256 random bits, stored as keyed hashes, of which none is good for another purpose.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{AuditEntry, Email, Time, UserId, random};
use tollgate_store::{Issue, MailPurpose, MailToken, NewMail};

use crate::{Accounts, AccountsError, FieldError, token::MAX_TOKEN_BYTES};

/// The most mails with a token that an account, or an address, gets in an hour.
pub const MAX_MAILS_PER_HOUR: u32 = 5;
/// How long tokens are kept once they have expired, for those who look into what happened.
const EXPIRED_KEPT_FOR: TimeDelta = TimeDelta::days(1);
/// The most that are forgotten at once.
const PIECE: u32 = 500;
/// What keeps an address's keyed hash apart from every other kind's.
const ADDRESS: &str = "mail address";

/// What keeps the hashes of a purpose's tokens apart from every other kind's.
const fn keyed_for(purpose: MailPurpose) -> &'static str {
    match purpose {
        MailPurpose::Reset => "mail token: reset",
        MailPurpose::Verification => "mail token: verification",
        MailPurpose::NewAddress => "mail token: new address",
        MailPurpose::Invitation => "mail token: invitation",
        MailPurpose::Deletion => "mail token: deletion",
    }
}

impl Accounts {
    /// A new token that is mailed to `to`, and proves the address where it is `user`'s or shall be. Only invitations are
    /// also given to nobody in particular.
    pub(crate) fn new_mail_token<'a>(
        &self,
        purpose: MailPurpose,
        user: Option<UserId>,
        to: impl Into<Option<&'a Email>>,
        lifetime: TimeDelta,
    ) -> (SecretString, MailToken) {
        let text = BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<32>(&*self.random));
        let (now, to) = (self.now(), to.into());
        let token = MailToken {
            hash: self.keyed_hash(keyed_for(purpose), text.as_bytes()),
            purpose,
            user,
            email: user.and(to.cloned()),
            address: self.keyed_hash(ADDRESS, to.map_or("", Email::as_str).as_bytes()),
            created_at: now,
            expires_at: now + lifetime,
            ended_at: None,
        };
        (SecretString::from(text), token)
    }

    /// The good token of one of `purposes` that was presented.
    pub(crate) fn mail_token(
        &self,
        purposes: &[MailPurpose],
        presented: &SecretString,
    ) -> Result<Option<MailToken>, AccountsError> {
        let text = presented.expose_secret().trim();
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        for purpose in purposes {
            for hash in self.settings.pepper.token_hashes(keyed_for(*purpose), text.as_bytes()) {
                if let Some(token) = self.stores.mail_tokens.by_hash(&hash)? {
                    return Ok(Some(token).filter(|token| token.is_good(self.now())));
                }
            }
        }
        Ok(None)
    }

    /// Queues a token's mails; `false` where there were too many in this hour.
    pub(crate) fn issue(
        &self,
        token: MailToken,
        mails: Vec<NewMail>,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, AccountsError> {
        let issue = Issue { token, mails, max_per_hour: MAX_MAILS_PER_HOUR, audit };
        Ok(self.stores.mail_tokens.issue(&issue)?)
    }

    /// Forgets a piece of the tokens that expired long ago; gives how many. A step of a background job.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_mail_tokens(&self, now: Time) -> Result<u64, AccountsError> {
        Ok(self.stores.mail_tokens.forget(now - EXPIRED_KEPT_FOR, PIECE)?)
    }
}

/// The refusal of what is no good token, named as the field in which it came.
pub(crate) fn refused(field: &'static str) -> AccountsError {
    AccountsError::Invalid(vec![FieldError {
        field,
        code: "invalid_token",
        message: "must be from the latest mail, and neither used nor expired".to_owned(),
    }])
}
