//! Confirming an address, or saying that somebody else used it.

use secrecy::SecretString;
use tollgate_domain::{ApiKey, AuditAction, AuditSubject, Email, KeyText, User, UserId};
use tollgate_store::{AddressHit, Confirmation, Confirmed, MailPurpose, MailToken};

use crate::{
    Accounts, AccountsError, By, Client,
    field::Faults,
    mail::{Mail, VERIFICATION_LIFETIME},
    mail_token::refused,
    register::taken,
};

/// Tokens that confirm an address.
const CONFIRMING: [MailPurpose; 2] = [MailPurpose::Verification, MailPurpose::NewAddress];

/// A user whose address is confirmed.
#[derive(Debug)]
pub struct VerifiedEmail {
    /// The user.
    pub user: User,
    /// The first key and its secret, to be shown this once, where the user had none before.
    pub first_key: Option<(ApiKey, KeyText)>,
}

/// What a token would confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmable {
    /// The address.
    pub email: Email,
    /// Whether an account that has another address shall have it.
    pub changes: bool,
}

impl Accounts {
    /// Mails another link that confirms an address. One that nobody has, that is confirmed, or that got too many mails
    /// in this hour does the same work and gets none.
    ///
    /// # Errors
    /// [`AccountsError::AddressLimit`], [`AccountsError::Invalid`] with the field `email` where it is none, or the
    /// store's.
    pub fn resend_verification(&self, email: &str, client: &Client) -> Result<(), AccountsError> {
        self.count_address(AddressHit::Mail, client)?;
        let mut faults = Faults::default();
        let parsed = faults.take("email", "invalid_email", email.parse::<Email>());
        faults.none()?;
        let Some(email) = parsed else { return Ok(()) };
        let known = self.stores.users.by_email(&email)?.map(|known| known.user);
        let user = known.filter(|user| user.is_active && !user.is_verified).map(|user| user.id);
        let (text, token) = self.verification(user, &email);
        let mail = self.mail(user.map(|_| &email), &Mail::Verification { token: &text })?;
        let by = By::anonymous(client);
        let told = self.entry_about(&by, AuditAction::VerificationRequested, user, Some(&email));
        self.issue(token, vec![mail], vec![told])?;
        Ok(())
    }

    /// A token that confirms the address that a user signed up with.
    pub(crate) fn verification(&self, user: Option<UserId>, email: &Email) -> (SecretString, MailToken) {
        self.new_mail_token(MailPurpose::Verification, user, email, VERIFICATION_LIFETIME)
    }

    /// What a token would confirm. Uses nothing up.
    ///
    /// # Errors
    /// The store's.
    pub fn confirmable(&self, token: &SecretString) -> Result<Option<Confirmable>, AccountsError> {
        let found = self.mail_token(&CONFIRMING, token)?;
        Ok(found.and_then(|token| {
            Some(Confirmable { email: token.email?, changes: token.purpose == MailPurpose::NewAddress })
        }))
    }

    /// Confirms the address that a token was mailed to; a user who has no key yet gets the first one.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `token`, [`AccountsError::EmailTaken`] where another account has the
    /// address by now, or the store's.
    pub fn verify_email(
        &self,
        presented: &SecretString,
        client: &Client,
    ) -> Result<VerifiedEmail, AccountsError> {
        let token = self.mail_token(&CONFIRMING, presented)?;
        let found = token.and_then(|token| Some((token.user?, token.email.clone()?, token)));
        let (id, email, token) = found.ok_or_else(|| refused("token"))?;
        let now = self.now();
        let changes = token.purpose == MailPurpose::NewAddress;
        let before = self.stores.users.by_id(id)?.and_then(|user| user.email);
        let (first_key, secret) = self.primary_key(id, now);
        let by = By { user: Some(id), ..By::anonymous(client) };
        let action = if changes { AuditAction::EmailChanged } else { AuditAction::EmailVerified };
        let confirmation = Confirmation {
            token: token.hash,
            changed: match before {
                Some(before) if changes => {
                    Some(self.mail(Some(&before), &Mail::AddressChanged { new: &email })?)
                }
                Some(_) | None => None,
            },
            now,
            audit: vec![self.entry_about(&by, action, Some(id), Some(&email))],
            key_audit: vec![self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(first_key.key.id))],
            first_key,
        };
        match self.stores.mail_tokens.confirm(&confirmation).map_err(taken)? {
            Confirmed::Done { user, with_key } => Ok(VerifiedEmail {
                user: *user,
                first_key: with_key.then_some((confirmation.first_key.key, secret)),
            }),
            Confirmed::Refused => Err(refused("token")),
            Confirmed::Taken => Err(AccountsError::EmailTaken),
        }
    }

    /// Ends what somebody else did with the address that a token was mailed to: an account that was never confirmed is
    /// deleted, a change of address does not happen.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `token`, or the store's.
    pub fn disown_email(&self, presented: &SecretString, client: &Client) -> Result<(), AccountsError> {
        let token = self.mail_token(&CONFIRMING, presented)?.ok_or_else(|| refused("token"))?;
        let by = By::anonymous(client);
        let mut told =
            vec![self.entry_about(&by, AuditAction::EmailDisowned, token.user, token.email.as_ref())];
        if token.purpose == MailPurpose::Verification {
            told.push(self.entry_about(&by, AuditAction::UserDeleted, token.user, None));
        }
        if self.stores.mail_tokens.disown(&token.hash, self.now(), &told)? {
            Ok(())
        } else {
            Err(refused("token"))
        }
    }
}
