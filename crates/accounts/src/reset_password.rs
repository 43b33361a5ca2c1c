//! Setting a password without the present one: a mail is asked for, by the user or an administrator, and its token
//! sets the password once. It opens no session, so a second factor stays in force.

use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject, Email, User, UserId};
use tollgate_store::{AddressHit, MailPurpose, PasswordReset};

use crate::{
    Accounts, AccountsError, By, Client,
    field::Faults,
    mail::{Mail, RESET_LIFETIME},
    mail_token::refused,
};

impl Accounts {
    /// Mails a link that sets a new password. An address that nobody has, or whose user is deactivated, does the same
    /// work and gets no mail; so does one that got too many in this hour.
    ///
    /// # Errors
    /// [`AccountsError::AddressLimit`], [`AccountsError::Invalid`] with the field `email` where it is none, or the
    /// store's.
    pub fn request_password_reset(&self, email: &str, client: &Client) -> Result<(), AccountsError> {
        self.count_address(AddressHit::Mail, client)?;
        let mut faults = Faults::default();
        let parsed = faults.take("email", "invalid_email", email.parse::<Email>());
        faults.none()?;
        let Some(email) = parsed else { return Ok(()) };
        let known = self.stores.users.by_email(&email)?.map(|known| known.user);
        let user = known.filter(|user| user.is_active).map(|user| user.id);
        self.mail_reset(&By::anonymous(client), user, &email, false)?;
        Ok(())
    }

    /// Mails a user, on an administrator's word, a link that sets a new password.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::NoEmail`], [`AccountsError::TooManyMails`], or the store's.
    pub fn start_password_reset(&self, by: &By, user: UserId) -> Result<(), AccountsError> {
        let user = self.stores.users.by_id(user)?.ok_or(AccountsError::NotFound("user"))?;
        let User { id, email: Some(email), .. } = user else { return Err(AccountsError::NoEmail) };
        if self.mail_reset(by, Some(id), &email, true)? { Ok(()) } else { Err(AccountsError::TooManyMails) }
    }

    fn mail_reset(
        &self,
        by: &By,
        user: Option<UserId>,
        email: &Email,
        by_admin: bool,
    ) -> Result<bool, AccountsError> {
        let (text, token) = self.new_mail_token(MailPurpose::Reset, user, email, RESET_LIFETIME);
        let mail = self.mail(user.map(|_| email), &Mail::PasswordReset { token: &text, by_admin })?;
        let told = self.entry_about(by, AuditAction::PasswordResetRequested, user, Some(email));
        self.issue(token, vec![mail], vec![told])
    }

    /// Whether a token sets a password still. Uses nothing up.
    ///
    /// # Errors
    /// The store's.
    pub fn may_reset_password(&self, token: &SecretString) -> Result<bool, AccountsError> {
        Ok(self.mail_token(&[MailPurpose::Reset], token)?.is_some())
    }

    /// Sets the password of the user whom a token was mailed to; every session ends, and with `revoke_keys` every key.
    /// Where the address had never been confirmed it is now, and what somebody else may have left in the account ends
    /// too.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `token` or `new_password`, or the store's.
    pub fn reset_password(
        &self,
        presented: &SecretString,
        new: &SecretString,
        revoke_keys: bool,
        client: &Client,
    ) -> Result<(), AccountsError> {
        let token = self.mail_token(&[MailPurpose::Reset], presented)?;
        let found = token.and_then(|token| Some((token.hash, token.user?, token.email?)));
        let (token, user, email) = found.ok_or_else(|| refused("token"))?;
        let mut faults = Faults::default();
        self.passwords.judge("new_password", new, Some(&email), &mut faults);
        faults.none()?;
        let attempts = match self.stores.users.by_id(user)? {
            Some(user) => self.attempt_keys(&user),
            None => Vec::new(),
        };
        let by = By { user: Some(user), ..By::anonymous(client) };
        let reset = PasswordReset {
            token,
            user,
            password_hash: self.passwords.hash(new, &*self.random)?,
            revoke_keys,
            attempts,
            mail: self.mail(Some(&email), &Mail::PasswordChanged)?,
            now: self.now(),
            audit: vec![self.entry(&by, AuditAction::PasswordReset, AuditSubject::User(user))],
        };
        if self.stores.mail_tokens.reset_password(&reset, &self.revocations(&by))? {
            Ok(())
        } else {
            Err(refused("token"))
        }
    }
}
