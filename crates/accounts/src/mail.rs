//! Mails: what each kind says, how one is queued sealed, and how those that are due are sent.
//!
//! No mail holds a name or any other text that a stranger could choose: who signs up with another's address must not
//! be able to write to them.

mod letter;
mod outbox;
mod transport;

use std::fmt;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tollgate_domain::{Email, MailId, UserId};
use tollgate_store::NewMail;
use zeroize::Zeroizing;

pub use outbox::Sent;
pub use transport::{MailTransport, Message, TransportError};

use crate::{Accounts, AccountsError, mail::letter::Letter};

/// How long a link that verifies an address is good.
pub const VERIFICATION_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// How long a link or a code that stands for a password is good.
pub const RESET_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long an invitation is good.
pub const INVITATION_LIFETIME: TimeDelta = TimeDelta::days(7);
/// How long sending a mail is tried that holds nothing which ends sooner.
const WORTH_SENDING_FOR: TimeDelta = TimeDelta::days(3);
/// The page that signs up.
const SIGN_UP_PAGE: &str = "console";
/// What binds a sealed mail to its use.
const PURPOSE: &str = "mail";

/// A kind of mail, with what it tells.
pub enum Mail<'a> {
    /// To who signed up, or asked once more: confirm the address.
    Verification {
        /// What the link carries.
        token: &'a SecretString,
    },
    /// To the owner of an account with whose address somebody tried to sign up.
    AddressTaken,
    /// To the address that an account shall have: confirm it.
    NewAddress {
        /// What the link carries.
        token: &'a SecretString,
    },
    /// To the address that an account has still.
    AddressChanging {
        /// The one that it shall have.
        new: &'a Email,
    },
    /// To the address that an account had.
    AddressChanged {
        /// The one that it has.
        new: &'a Email,
    },
    /// A link with which a password is set.
    PasswordReset {
        /// What the link carries.
        token: &'a SecretString,
        /// Whether an administrator started it.
        by_admin: bool,
    },
    /// The password was changed.
    PasswordChanged,
    /// There were too many wrong codes of the second factor.
    WrongCodes,
    /// Two factors are asked for from now on.
    SecondFactorOn,
    /// One factor is enough from now on.
    SecondFactorOff,
    /// A backup code was used.
    BackupCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// There are new backup codes.
    BackupCodesReplaced,
    /// The account can be signed in to through an identity provider.
    IdentityLinked {
        /// Who vouches for it, as the operator configured it.
        issuer: &'a str,
    },
    /// An invitation to sign up.
    Invitation {
        /// What the link carries.
        token: &'a SecretString,
    },
    /// A code with which a user without a password confirms that the account shall be deleted.
    DeletionCode {
        /// The code.
        code: &'a SecretString,
    },
    /// The account was deleted.
    Deleted,
}

impl Mail<'_> {
    /// How long sending it makes sense.
    const fn worth_sending_for(&self) -> TimeDelta {
        match self {
            Self::Verification { .. } | Self::NewAddress { .. } => VERIFICATION_LIFETIME,
            Self::PasswordReset { .. } | Self::DeletionCode { .. } => RESET_LIFETIME,
            Self::AddressTaken
            | Self::AddressChanging { .. }
            | Self::AddressChanged { .. }
            | Self::PasswordChanged
            | Self::WrongCodes
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::BackupCodeUsed { .. }
            | Self::BackupCodesReplaced
            | Self::IdentityLinked { .. }
            | Self::Invitation { .. }
            | Self::Deleted => WORTH_SENDING_FOR,
        }
    }
}

impl fmt::Debug for Mail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it tells is for its recipient.
        f.write_str("Mail")
    }
}

/// A mail as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Nobody: it is thrown away.
    to: Option<String>,
    subject: String,
    text: String,
    html: String,
}

impl Accounts {
    /// Writes and seals a mail; it is queued by the store's method that makes the change of which it tells. `to`
    /// nobody, it costs as much, is queued alike and thrown away by the sender.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] where sealing fails.
    pub fn mail(&self, to: Option<&Email>, mail: &Mail<'_>) -> Result<NewMail, AccountsError> {
        let now = self.now();
        let letter = Letter::of(mail, &self.settings.public_url);
        let kept = Kept {
            to: to.map(ToString::to_string),
            text: letter.text(&self.settings.public_url),
            html: letter.html(&self.settings.public_url),
            subject: letter.subject.to_owned(),
        };
        let plain = serde_json::to_vec(&kept)
            .map(Zeroizing::new)
            .map_err(|_no_json| AccountsError::Internal("a mail cannot be kept"))?;
        let id = MailId::new(now, &*self.random);
        let sealed = self.seal.seal(PURPOSE, row(id), &plain, &*self.random)?;
        Ok(NewMail { id, sealed, queued_at: now, give_up_at: now + mail.worth_sending_for() })
    }
}

/// What a mail is sealed for: its own row.
fn row(id: MailId) -> UserId {
    id.as_uuid().into()
}

/// The link of an invitation.
pub(crate) fn sign_up_link(public_url: &str, invitation: &SecretString) -> String {
    format!("{public_url}/{SIGN_UP_PAGE}?invite={}", invitation.expose_secret())
}

fn link(public_url: &str, page: &str, token: &SecretString) -> String {
    format!("{public_url}/{page}?token={}", token.expose_secret())
}
