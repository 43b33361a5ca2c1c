//! Deleting an account with all that is its user's: at the user's own word, confirmed once more, or an administrator's.

use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject, User, UserId};
use tollgate_store::{Deletion, DeletionProof, MailPurpose};

use crate::{
    Accounts, AccountsError, By,
    field::Faults,
    mail::{Mail, RESET_LIFETIME},
    mail_token::refused,
    session::Identity,
};

/// What confirms that an account shall be deleted.
#[derive(Debug, Default)]
pub struct DeletionWish {
    /// The password, of a user who has one.
    pub password: Option<SecretString>,
    /// The code of a mail, of a user who has none.
    pub code: Option<SecretString>,
    /// In place of that code, a fresh identity token of the user's own.
    pub identity_token: Option<SecretString>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleting {
    /// The account is gone.
    Done,
    /// A mail with a code was sent, which is to be given.
    CodeSent,
}

impl Accounts {
    /// Deletes the caller's account. A user without a password is mailed a code first.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `password` or `code`, [`AccountsError::WrongPassword`],
    /// [`AccountsError::TooManyAttempts`], [`AccountsError::TooManyMails`], [`AccountsError::NoEmail`] where a code
    /// could go nowhere, those of [`Accounts::confirm_by_identity`], or the store's.
    pub fn delete_account(&self, caller: &Identity, wish: &DeletionWish) -> Result<Deleting, AccountsError> {
        let known = self.stores.users.credentials(caller.user.id)?.ok_or(AccountsError::InvalidToken)?;
        let proof = if known.password_hash.is_some() {
            let Some(password) = &wish.password else {
                let mut faults = Faults::default();
                faults.add("password", "missing", "must be there: deleting an account is confirmed with it");
                return Err(faults.none().err().unwrap_or(AccountsError::WrongPassword));
            };
            let failed = AuditAction::ConfirmationFailed;
            DeletionProof::Password(self.check_present_password(caller, password, failed)?)
        } else if let Some(token) = &wish.identity_token {
            self.confirm_by_identity(caller, token)?;
            DeletionProof::Trusted
        } else {
            let Some(code) = &wish.code else { return self.mail_deletion_code(caller, &known.user) };
            let token = self.mail_token(&[MailPurpose::Deletion], code)?;
            DeletionProof::Mail(token.ok_or_else(|| refused("code"))?.hash)
        };
        let by_mail = matches!(proof, DeletionProof::Mail(_));
        match self.delete(&caller.by(), &known.user, proof)? {
            true => Ok(Deleting::Done),
            false if by_mail => Err(refused("code")),
            false => Err(AccountsError::WrongPassword),
        }
    }

    /// Deletes a user on an administrator's word.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], or the store's.
    pub fn delete_user(&self, by: &By, id: UserId) -> Result<(), AccountsError> {
        let user = self.stores.users.by_id(id)?.ok_or(AccountsError::NotFound("user"))?;
        if self.delete(by, &user, DeletionProof::Trusted)? {
            Ok(())
        } else {
            Err(AccountsError::NotFound("user"))
        }
    }

    fn delete(&self, by: &By, user: &User, proof: DeletionProof) -> Result<bool, AccountsError> {
        let to = user.email.as_ref();
        Ok(self.stores.users.delete(&Deletion {
            user: user.id,
            proof,
            mail: to.map(|to| self.mail(Some(to), &Mail::Deleted)).transpose()?,
            now: self.now(),
            audit: vec![self.entry(by, AuditAction::UserDeleted, AuditSubject::User(user.id))],
        })?)
    }

    fn mail_deletion_code(&self, caller: &Identity, user: &User) -> Result<Deleting, AccountsError> {
        let email = user.email.as_ref().ok_or(AccountsError::NoEmail)?;
        let (code, token) = self.new_mail_token(MailPurpose::Deletion, Some(user.id), email, RESET_LIFETIME);
        let mail = self.mail(Some(email), &Mail::DeletionCode { code: &code })?;
        let subject = AuditSubject::User(user.id);
        let told = self.entry(&caller.by(), AuditAction::UserDeletionRequested, subject);
        if self.issue(token, vec![mail], vec![told])? {
            Ok(Deleting::CodeSent)
        } else {
            Err(AccountsError::TooManyMails)
        }
    }
}
