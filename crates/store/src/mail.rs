//! Mails that wait to be sent.
//!
//! A mail is queued in the transaction of the change that it tells of: no change without its mail, no mail without
//! its change. What it says and to whom is sealed.

use tollgate_domain::{MailId, Time};

use crate::StoreError;

/// A mail to be sent, or one for nobody, which looks the same and is thrown away by the sender: so a call that
/// must not tell whether an address is known writes as much either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// Its id.
    pub id: MailId,
    /// Recipient, subject and text, sealed.
    pub sealed: Vec<u8>,
    /// When it was written: it is due from then on.
    pub queued_at: Time,
    /// When it is no longer worth sending.
    pub give_up_at: Time,
}

/// A mail whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMail {
    /// Its id.
    pub id: MailId,
    /// Recipient, subject and text, sealed.
    pub sealed: Vec<u8>,
    /// How often sending it was begun, this time included.
    pub attempts: u32,
    /// When it is no longer worth sending.
    pub give_up_at: Time,
}

/// Where mails wait.
pub trait MailStore: Send + Sync {
    /// Queues a mail that no other change brings about.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn queue(&self, mail: &NewMail) -> Result<(), StoreError>;

    /// The mail that has been due longest at `now`. Nobody else is given it before `until`, so that of several
    /// servers one sends it; where that one dies over it, another does then.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn take(&self, now: Time, until: Time) -> Result<Option<DueMail>, StoreError>;

    /// Forgets a mail that was sent or is not worth it; a second time changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn remove(&self, id: MailId) -> Result<(), StoreError>;

    /// Makes a mail due again at `at`.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn retry(&self, id: MailId, at: Time) -> Result<(), StoreError>;

    /// How many wait, those that are being sent among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn waiting(&self) -> Result<u64, StoreError>;
}
