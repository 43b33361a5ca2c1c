//! Changing the own password.

use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject};
use tollgate_store::PasswordChange;

use crate::{
    Accounts, AccountsError,
    field::Faults,
    password::{Fit, MAX_CHECKS},
    session::Identity,
};

impl Accounts {
    /// Gives `caller` a new password for the present one. Every other session of the user ends with it, and this one
    /// goes on.
    ///
    /// # Errors
    /// [`AccountsError::NoPassword`] where there is none to change, [`AccountsError::Invalid`] with the field
    /// `new_password`, [`AccountsError::WrongPassword`], also where it or the session ended meanwhile, or the
    /// store's.
    pub fn change_password(
        &self,
        caller: &Identity,
        present: &SecretString,
        new: &SecretString,
    ) -> Result<(), AccountsError> {
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
        let known = self.stores.users.credentials(user)?.ok_or(AccountsError::InvalidToken)?;
        let before = known.password_hash.ok_or(AccountsError::NoPassword)?;
        let mut faults = Faults::default();
        self.passwords.judge("new_password", new, known.user.email.as_ref(), &mut faults);
        faults.none()?;
        let told = |action| self.entry(&caller.by(), action, AuditSubject::User(user));
        if self.passwords.verify(present, Some(&before)) == Fit::No {
            self.stores.audit.note(&[told(AuditAction::PasswordChangeFailed)])?;
            return Err(AccountsError::WrongPassword);
        }
        let after = self.passwords.hash(new, &*self.random)?;
        let audit = vec![told(AuditAction::PasswordChanged)];
        let change =
            PasswordChange { user, before, after, session: caller.session.id, now: self.now(), audit };
        Ok(self.stores.users.change_password(&change)?)
    }
}
