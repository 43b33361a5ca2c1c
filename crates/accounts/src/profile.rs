//! A user's own profile: name and notes change at once, the address once it is confirmed from the new one.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Map, Value};
use tollgate_domain::{AuditAction, AuditSubject, Email, User};
use tollgate_store::MailPurpose;

use crate::{
    Accounts, AccountsError,
    field::Faults,
    mail::{Mail, VERIFICATION_LIFETIME},
    session::Identity,
};

/// Changes to a profile; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChanges {
    /// What to call the user; `Some(None)` for nothing.
    pub name: Option<Option<String>>,
    /// The user's own notes.
    pub metadata: Option<Map<String, Value>>,
    /// Another address, as typed.
    pub email: Option<String>,
    /// The present password, which another address takes.
    pub password: Option<SecretString>,
    /// In place of that, a fresh identity token of a user who has none.
    pub identity_token: Option<SecretString>,
}

/// A profile that was changed.
#[derive(Debug)]
pub struct EditedProfile {
    /// The user as it is now.
    pub user: Arc<User>,
    /// Whether the address changes once it is confirmed, if it may.
    pub email_pending: bool,
}

impl Accounts {
    /// Changes the caller's profile. Another address is mailed a link that confirms it, and the present one is told;
    /// where it is taken, its owner is told instead, and the caller not.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NoPassword`], [`AccountsError::WrongPassword`],
    /// [`AccountsError::TooManyAttempts`], [`AccountsError::TooManyMails`], those of
    /// [`Accounts::confirm_by_identity`], or the store's.
    pub fn edit_profile(
        &self,
        caller: &Identity,
        changes: ProfileChanges,
    ) -> Result<EditedProfile, AccountsError> {
        let mut faults = Faults::default();
        let name = changes.name.map(|name| name.map(|name| faults.name("name", &name)));
        let metadata = changes.metadata.as_ref().map(|notes| faults.metadata(Some(notes)));
        let email = changes.email.map(|email| faults.take("email", "invalid_email", email.parse::<Email>()));
        let email = email.flatten().filter(|email| caller.user.email.as_ref() != Some(email));
        let is_confirmed = changes.password.is_some() || changes.identity_token.is_some();
        if email.is_some() && !is_confirmed {
            faults.add("password", "missing", "must be there where the email address changes");
        }
        faults.none()?;
        let email_pending = email.is_some();
        if let Some(email) = email {
            self.confirm_address(caller, changes.password.as_ref(), changes.identity_token.as_ref())?;
            self.ask_for_address(caller, &email)?;
        }
        let mut user = Arc::clone(&caller.user);
        if name.is_some() || metadata.is_some() {
            let edit = move |user: &mut User| {
                if let Some(name) = &name {
                    user.name.clone_from(name);
                }
                if let Some(metadata) = &metadata {
                    user.metadata.clone_from(metadata);
                }
            };
            let audit = [self.entry(&caller.by(), AuditAction::UserUpdated, AuditSubject::User(user.id))];
            let edited = self.stores.users.edit(user.id, Arc::new(edit), self.now(), &audit)?;
            user = Arc::new(edited.ok_or(AccountsError::InvalidToken)?);
        }
        Ok(EditedProfile { user, email_pending })
    }

    /// The password confirms; an identity token only where there is none.
    fn confirm_address(
        &self,
        caller: &Identity,
        password: Option<&SecretString>,
        identity_token: Option<&SecretString>,
    ) -> Result<(), AccountsError> {
        if let Some(password) = password {
            self.check_present_password(caller, password, AuditAction::ConfirmationFailed)?;
            return Ok(());
        }
        let known = self.stores.users.credentials(caller.user.id)?.ok_or(AccountsError::InvalidToken)?;
        match identity_token.filter(|_| known.password_hash.is_none()) {
            Some(token) => self.confirm_by_identity(caller, token),
            None => Err(AccountsError::WrongPassword),
        }
    }

    /// Mails what gives the caller another address. The same work and as many mails where it is taken.
    fn ask_for_address(&self, caller: &Identity, email: &Email) -> Result<(), AccountsError> {
        let taken = self.stores.users.by_email(email)?.is_some();
        let user = caller.user.id;
        let (text, token) =
            self.new_mail_token(MailPurpose::NewAddress, Some(user), email, VERIFICATION_LIFETIME);
        let kind = if taken { Mail::AddressTaken } else { Mail::NewAddress { token: &text } };
        let mails = vec![
            self.mail(Some(email), &kind)?,
            self.mail(caller.user.email.as_ref(), &Mail::AddressChanging { new: email })?,
        ];
        let by = caller.by();
        let told = self.entry_about(&by, AuditAction::EmailChangeRequested, Some(user), Some(email));
        if self.issue(token, mails, vec![told])? { Ok(()) } else { Err(AccountsError::TooManyMails) }
    }
}
