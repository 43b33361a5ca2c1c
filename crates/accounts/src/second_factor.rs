//! Second factors: codes of an authenticator (TOTP, RFC 6238) and, where that is lost, backup codes.
//!
//! A code is good for one thing, once: its step, and all before it, are used up whatever the code was named for. Wrong
//! ones are counted at the account, whichever token or session they come with, and only a complete sign-in begins the
//! count anew.

mod code;
mod manage;
mod qr;
mod verify;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{AuditAction, AuditSubject, Time, User, UserId};
use tollgate_store::{CodeAttempt, SecondFactor};
use zeroize::Zeroizing;

use crate::{Accounts, AccountsError, By, mail::Mail, pieces};

pub use manage::SetUp;

/// How long a token stands for the first factor.
pub const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// The wrong codes in a row that are taken before there is a pause.
pub const MAX_WRONG_CODES: u32 = 5;
/// How many backup codes there are.
pub const BACKUP_CODES: usize = 10;
/// What binds a sealed secret to its use.
const PURPOSE: &str = "second factor";
/// What keeps a backup code's keyed hash apart from every other kind's.
const BACKUP_PURPOSE: &str = "backup code";
/// The same of a token that stands for the first factor.
const TOKEN_PURPOSE: &str = "mfa";
/// The most tokens that are forgotten at once.
const PIECE: u32 = 500;
/// The most pieces of one step.
const MAX_PIECES: u32 = 20;

impl Accounts {
    /// Forgets, in bounded pieces, tokens that are good no more. Gives how many; a step of a background job.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_mfa_tokens(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || self.stores.second_factors.forget(now, PIECE))
    }

    /// What `code` can be: looked at against the secret that is on, not yet used up nor counted.
    fn looked_at(
        &self,
        user: &User,
        factor: &SecondFactor,
        code: &SecretString,
        failed: &By,
        used: &By,
    ) -> Result<CodeAttempt, AccountsError> {
        let now = self.now();
        let secret = factor.secret.clone().ok_or(AccountsError::SecondFactorOff)?;
        let backup_code = code::backup_code(code.expose_secret());
        let step = match &backup_code {
            Some(_) => None,
            None => code::step(&self.opened_secret(user.id, &secret)?, code.expose_secret(), now),
        };
        let left = factor.backup_codes.saturating_sub(1);
        let mail = match (&backup_code, &user.email) {
            (Some(_), Some(to)) => Some(self.mail(Some(to), &Mail::BackupCodeUsed { left })?),
            _ => None,
        };
        let pausing = user.email.as_ref().map(|to| self.mail(Some(to), &Mail::WrongCodes)).transpose()?;
        let hashes = |plain: Zeroizing<String>| self.backup_hashes(user.id, &plain);
        let told = |by: &By, action| vec![self.entry(by, action, AuditSubject::User(user.id))];
        Ok(CodeAttempt {
            user: user.id,
            secret,
            step,
            backup_code: backup_code.map(hashes).unwrap_or_default(),
            now,
            max_wrong: MAX_WRONG_CODES,
            paused_until: now + self.settings.attempts.lock,
            failed: told(failed, AuditAction::SecondFactorFailed),
            backup_code_used: told(used, AuditAction::BackupCodeUsed),
            mail,
            pausing,
        })
    }

    /// A secret as codes are made with it.
    fn opened_secret(&self, user: UserId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AccountsError> {
        // Whoever has lost the key still has backup codes; of this one nothing can be said.
        self.seal
            .open(PURPOSE, user, sealed)
            .ok_or(AccountsError::Internal("the secret of a second factor does not open"))
    }

    /// The hashes that a backup code of this user may be stored under, the newest pepper's first.
    fn backup_hashes(&self, user: UserId, plain: &str) -> Vec<[u8; 32]> {
        let mut text = Zeroizing::new(user.as_uuid().as_bytes().to_vec());
        text.extend(plain.as_bytes());
        self.settings.pepper.token_hashes(BACKUP_PURPOSE, &text)
    }

    /// New backup codes, and the hashes under which they are stored.
    fn new_backup_codes(&self, user: UserId) -> (Vec<SecretString>, Vec<[u8; 32]>) {
        (0..BACKUP_CODES)
            .map(|_| {
                let plain = code::new_backup_code(&*self.random);
                let hash = self.backup_hashes(user, &plain).into_iter().next().unwrap_or_default();
                (code::grouped(&plain), hash)
            })
            .unzip()
    }
}
