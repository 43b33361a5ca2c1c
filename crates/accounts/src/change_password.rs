//! Changing the own password.

use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject};
use tollgate_store::PasswordChange;

use crate::{Accounts, AccountsError, field::Faults, mail::Mail, password::MAX_CHECKS, session::Identity};

impl Accounts {
    /// Gives `caller` a new password for the present one. Every other session of the user ends with it, and this one
    /// goes on.
    ///
    /// # Errors
    /// [`AccountsError::NoPassword`] where there is none to change, [`AccountsError::Invalid`] with the field
    /// `new_password`, [`AccountsError::TooManyAttempts`], [`AccountsError::WrongPassword`], also where it or the
    /// session ended meanwhile, or the store's.
    pub fn change_password(
        &self,
        caller: &Identity,
        present: &SecretString,
        new: &SecretString,
    ) -> Result<(), AccountsError> {
        let known = self.stores.users.credentials(caller.user.id)?.ok_or(AccountsError::InvalidToken)?;
        if known.password_hash.is_none() {
            return Err(AccountsError::NoPassword);
        }
        let mut faults = Faults::default();
        self.passwords.judge("new_password", new, known.user.email.as_ref(), &mut faults);
        faults.none()?;
        for _ in 0..MAX_CHECKS {
            if self.try_change(caller, present, new)? {
                return Ok(());
            }
        }
        Err(AccountsError::WrongPassword)
    }

    /// `false` where the password was changed, its hash replaced, or the session ended since it was checked.
    fn try_change(
        &self,
        caller: &Identity,
        present: &SecretString,
        new: &SecretString,
    ) -> Result<bool, AccountsError> {
        let user = caller.user.id;
        let before = self.check_present_password(caller, present, AuditAction::PasswordChangeFailed)?;
        let after = self.passwords.hash(new, &*self.random)?;
        let audit = vec![self.entry(&caller.by(), AuditAction::PasswordChanged, AuditSubject::User(user))];
        let to = caller.user.email.as_ref();
        let mail = to.map(|to| self.mail(Some(to), &Mail::PasswordChanged)).transpose()?;
        let (session, now) = (caller.session.id, self.now());
        let change = PasswordChange { user, before, after, session, now, mail, audit };
        Ok(self.stores.users.change_password(&change)?)
    }
}
