//! What users do with their own second factor, and administrators with one that is lost.

use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{AuditAction, AuditSubject, UserId};
use tollgate_store::{
    ConfirmedChange, FactorChange, FactorReset, NewMail, NewSecondFactor, ProvedPassword, Verdict,
};

use super::{PURPOSE, code, verify::paused};
use crate::{
    Accounts, AccountsError, By, field::Faults, mail::Mail, password::MAX_CHECKS, session::Identity,
};

/// What authenticators call this service.
const ISSUER: &str = "Tollgate";

/// A second factor that was set up and is not on, to be shown once.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// What codes are made with, in base32.
    pub secret: SecretString,
    /// The same as authenticators read it.
    pub otpauth_url: SecretString,
    /// The same as a picture: a data URI of a PNG.
    pub qr_code: SecretString,
}

impl Accounts {
    /// Sets up a second factor for `caller`, in place of another that was not switched on. Nothing is on by it.
    ///
    /// # Errors
    /// [`AccountsError::SecondFactorOn`] while one is on, or the store's.
    pub fn set_up_second_factor(&self, caller: &Identity) -> Result<SetUp, AccountsError> {
        let user = &*caller.user;
        let secret = code::new_secret(&*self.random);
        let text = code::base32(&*secret);
        let account = user.email.as_ref().map_or_else(|| user.id.to_string(), ToString::to_string);
        let otpauth_url = code::url(ISSUER, &account, text.expose_secret());
        let qr_code = code::picture(otpauth_url.expose_secret())?;
        let sealed = self.seal.seal(PURPOSE, user.id, &*secret, &*self.random)?;
        let audit = [self.entry(&caller.by(), AuditAction::SecondFactorSetUp, AuditSubject::User(user.id))];
        if !self.stores.second_factors.propose(user.id, &sealed, &audit)? {
            return Err(AccountsError::SecondFactorOn);
        }
        Ok(SetUp { secret: text, otpauth_url, qr_code })
    }

    /// Switches on what was set up, by one of its codes; gives the backup codes, to be shown once. Every other
    /// session of the user ends with it: none has brought a code, and each could let devices in.
    ///
    /// # Errors
    /// [`AccountsError::SecondFactorOn`] while one is on, [`AccountsError::SecondFactorNotSetUp`],
    /// [`AccountsError::Invalid`] with the field `code`, or the store's.
    pub fn enable_second_factor(
        &self,
        caller: &Identity,
        code: &SecretString,
    ) -> Result<Vec<SecretString>, AccountsError> {
        let user = caller.user.id;
        for _ in 0..MAX_CHECKS {
            let factor = self.stores.second_factors.of_user(user)?;
            if factor.secret.is_some() {
                return Err(AccountsError::SecondFactorOn);
            }
            let pending = factor.pending.ok_or(AccountsError::SecondFactorNotSetUp)?;
            let secret = self.opened_secret(user, &pending)?;
            let mut faults = Faults::default();
            let step = code::step(&secret, code.expose_secret(), self.now());
            if step.is_none() {
                faults.add("code", "wrong_code", "must be what the authenticator shows now");
            }
            faults.none()?;
            let (codes, hashes) = self.new_backup_codes(user);
            let new = NewSecondFactor {
                user,
                pending,
                step: step.unwrap_or_default(),
                backup_codes: hashes,
                session: caller.session.id,
                now: self.now(),
                audit: vec![self.entry(
                    &caller.by(),
                    AuditAction::SecondFactorEnabled,
                    AuditSubject::User(user),
                )],
                mail: self.told_owner(caller, &Mail::SecondFactorOn)?,
            };
            if self.stores.second_factors.enable(&new)? {
                return Ok(codes);
            }
        }
        Err(AccountsError::SecondFactorNotSetUp)
    }

    /// Switches `caller`'s second factor off, by the password and a code. Users without a password need the code only.
    ///
    /// # Errors
    /// [`AccountsError::SecondFactorOff`] where none is on; [`AccountsError::Invalid`] with the field `password` where
    /// it is missing; [`AccountsError::WrongPassword`] and [`AccountsError::WrongCode`], which are counted;
    /// [`AccountsError::TooManyAttempts`]; or the store's.
    pub fn disable_second_factor(
        &self,
        caller: &Identity,
        password: Option<&SecretString>,
        code: &SecretString,
    ) -> Result<(), AccountsError> {
        let mail = self.told_owner(caller, &Mail::SecondFactorOff)?;
        let change = FactorChange::Off;
        self.confirm_change(caller, password, code, &change, AuditAction::SecondFactorDisabled, mail.as_ref())
    }

    /// Gives `caller` new backup codes, to be shown once, in place of all before, by the password and a code. Users
    /// without a password need the code only.
    ///
    /// # Errors
    /// As [`disable_second_factor`](Self::disable_second_factor).
    pub fn renew_backup_codes(
        &self,
        caller: &Identity,
        password: Option<&SecretString>,
        code: &SecretString,
    ) -> Result<Vec<SecretString>, AccountsError> {
        let (codes, hashes) = self.new_backup_codes(caller.user.id);
        let mail = self.told_owner(caller, &Mail::BackupCodesReplaced)?;
        let change = FactorChange::BackupCodes(hashes);
        self.confirm_change(caller, password, code, &change, AuditAction::BackupCodesRenewed, mail.as_ref())?;
        Ok(codes)
    }

    /// Ends the second factor of a user who has lost it, and every session of that user; where there is none, nothing
    /// happens. Whoever calls this has checked that the caller administers.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], or the store's.
    pub fn reset_second_factor(&self, by: &By, id: UserId) -> Result<(), AccountsError> {
        let user = self.stores.users.by_id(id)?.ok_or(AccountsError::NotFound("user"))?;
        let to = user.email.as_ref();
        let reset = FactorReset {
            user: id,
            now: self.now(),
            audit: vec![self.entry(by, AuditAction::SecondFactorReset, AuditSubject::User(id))],
            mail: to.map(|to| self.mail(Some(to), &Mail::SecondFactorOff)).transpose()?,
        };
        self.stores.second_factors.reset(&reset)?;
        Ok(())
    }

    fn confirm_change(
        &self,
        caller: &Identity,
        password: Option<&SecretString>,
        code: &SecretString,
        change: &FactorChange,
        action: AuditAction,
        mail: Option<&NewMail>,
    ) -> Result<(), AccountsError> {
        let by = caller.by();
        for _ in 0..MAX_CHECKS {
            let factor = self.stores.second_factors.of_user(caller.user.id)?;
            if factor.secret.is_none() {
                return Err(AccountsError::SecondFactorOff);
            }
            let password = self.present_password(caller, password)?;
            let attempt = self.looked_at(&caller.user, &factor, code, &by, &by)?;
            let now = attempt.now;
            let audit = vec![self.entry(&by, action, AuditSubject::User(caller.user.id))];
            let confirmed =
                ConfirmedChange { attempt, password, change: change.clone(), audit, mail: mail.cloned() };
            match self.stores.second_factors.confirm(&confirmed)? {
                Verdict::Done => return Ok(()),
                Verdict::Stale => {}
                Verdict::WrongCode => return Err(AccountsError::WrongCode),
                Verdict::TooManyCodes { until } => return Err(paused(until, now)),
            }
        }
        Err(AccountsError::SecondFactorOff)
    }

    /// The password, checked; `None` for a user who has none.
    fn present_password(
        &self,
        caller: &Identity,
        password: Option<&SecretString>,
    ) -> Result<Option<ProvedPassword>, AccountsError> {
        let checked = match password {
            Some(password) => {
                self.check_present_password(caller, password, AuditAction::SecondFactorFailed).map(Some)
            }
            None => {
                let known = self.stores.users.credentials(caller.user.id)?;
                let mut faults = Faults::default();
                if known.ok_or(AccountsError::InvalidToken)?.password_hash.is_some() {
                    faults.add("password", "missing", "must be there");
                }
                faults.none()?;
                Ok(None)
            }
        };
        match checked {
            Ok(hash) => Ok(hash.map(|hash| ProvedPassword { hash, replacement: None })),
            Err(AccountsError::NoPassword) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mail to the owner, where the owner has an address.
    fn told_owner(&self, caller: &Identity, mail: &Mail<'_>) -> Result<Option<NewMail>, AccountsError> {
        caller.user.email.as_ref().map(|to| self.mail(Some(to), mail)).transpose()
    }
}
