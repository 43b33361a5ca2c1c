//! The ways of a mail out of here: SMTP, and files where no mail server is configured.
//!
//! **Owns** lettre, the form of a mail on the wire, and how long a mail server is waited for.
//!
//! **Must never see** what a mail is about: it takes a [`tollgate_accounts::mail::Message`] and sends it. What it says
//! of failures goes to logs, so it names no recipient and repeats nothing that a mail server said.
//!
//! To add a way: a file with its name and a type that is a [`tollgate_accounts::mail::MailTransport`].

mod file;
mod message;
mod smtp;

pub use file::FileTransport;
pub use message::{NotASender, Sender};
pub use smtp::{NotAMailServer, SmtpTransport};
