//! Invitations to sign up.

use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject, Email, Time};
use tollgate_store::{MailPurpose, MailToken};

use crate::{
    Accounts, AccountsError, By,
    field::Faults,
    mail::{INVITATION_LIFETIME, Mail, sign_up_link},
};

/// Bytes of an invitation's hash that name it.
const ID_BYTES: usize = 16;

/// An invitation.
#[derive(Debug)]
pub struct Invitation {
    /// What it is called; it lets nobody in.
    pub id: String,
    /// What lets somebody in, to be shown this once.
    pub token: SecretString,
    /// The link that carries it.
    pub url: String,
    /// When it ends.
    pub expires_at: Time,
}

impl Accounts {
    /// Makes an invitation for one account; with an address, for that address alone, and mailed to it. It proves no
    /// address: whoever made it knows it too.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `email`, or the store's.
    pub fn invite(&self, by: &By, email: Option<&str>) -> Result<Invitation, AccountsError> {
        let mut faults = Faults::default();
        let email = email.map(|email| faults.take("email", "invalid_email", email.parse::<Email>()));
        faults.none()?;
        let email = email.flatten();
        let (text, token) = self.new_invitation(email.as_ref());
        let mails = match &email {
            Some(email) => vec![self.mail(Some(email), &Mail::Invitation { token: &text })?],
            None => Vec::new(),
        };
        let mut told = self.entry(by, AuditAction::InvitationCreated, AuditSubject::Nothing);
        told.personal.email = email.map(|email| email.as_str().to_owned());
        let invitation = Invitation {
            id: token.hash.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect(),
            url: sign_up_link(&self.settings.public_url, &text),
            token: text,
            expires_at: token.expires_at,
        };
        self.issue(token, mails, vec![told])?;
        Ok(invitation)
    }

    fn new_invitation(&self, email: Option<&Email>) -> (SecretString, MailToken) {
        let (text, token) = self.new_mail_token(MailPurpose::Invitation, None, email, INVITATION_LIFETIME);
        (text, MailToken { email: email.cloned(), ..token })
    }
}
