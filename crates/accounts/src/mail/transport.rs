//! The way of a mail out of here.

use std::fmt;

use tollgate_domain::{Email, MailId};

/// A mail to be sent.
#[derive(Clone)]
pub struct Message {
    /// Its id: the same at every attempt.
    pub id: MailId,
    /// The recipient.
    pub to: Email,
    /// The subject: one line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It holds what only its recipient may know.
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a mail was not sent. The words are for logs, and name neither recipient nor content.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The mail server is away or will not have it now: it is tried again.
    #[error("{0}")]
    Away(String),
    /// It can never be sent, for example to an address that no mail server takes.
    #[error("{0}")]
    Impossible(String),
}

/// Sends mails.
pub trait MailTransport: Send + Sync {
    /// Sends a mail; waits a bounded time for it.
    ///
    /// # Errors
    /// [`TransportError`] where it is not known to be sent.
    fn send(&self, message: &Message) -> Result<(), TransportError>;
}
