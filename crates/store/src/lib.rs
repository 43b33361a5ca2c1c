//! The ports of storage: one small trait a noun, and the suite that every implementation must pass.
//!
//! **Owns** what use cases ask of a database, as plain data: [`UserStore`], [`KeyStore`],
//! [`SessionStore`], [`AuditStore`], [`ChangeStore`], [`EventStore`], [`OpenRequestStore`],
//! [`UsageStore`], [`WindowStore`]; of the disk beside it ([`SpoolStore`]); the [`StoreError`] that all share;
//! and the [`Directory`], the memory of what was read.
//!
//! **Must never see** diesel, a server or a runtime. A method is one transaction that takes all that must
//! happen together; what is not there is `Ok(None)`, never an error.
//!
//! To add a method: write it here with its errors, give it a test in `suite/`, implement it in
//! `persistence` in the file of the same name.

pub mod attempt;
pub mod audit;
pub mod change;
pub mod device;
pub mod directory;
pub mod erasure;
pub mod error;
pub mod event;
pub mod external_identity;
pub mod freshness;
pub mod idempotency;
pub mod import;
pub mod key;
pub mod mail;
pub mod mail_token;
pub mod open_request;
pub mod outbox;
pub mod page;
pub mod second_factor;
pub mod session;
pub mod spool;
#[cfg(feature = "suite")]
pub mod suite;
pub mod usage;
pub mod user;
pub mod web_session;
pub mod windows;

use std::sync::Arc;

pub use attempt::{AddressCount, AddressHit, Attempt, AttemptStore, Attempted, Cleared};
pub use audit::{AuditFilter, AuditStore, ChainedRow, ListedEntry};
pub use change::{Change, ChangeListener, ChangeStore, Changes};
pub use device::{
    Begun, DeviceCode, DeviceDecision, DeviceStore, DeviceWish, FoundDevice, NewDevice, Poll, Polled,
};
pub use directory::{Directory, Lookup};
pub use erasure::ErasureStore;
pub use error::StoreError;
pub use event::{EventStore, Folded, Mark, StreamId};
pub use external_identity::{ExternalIdentityStore, Link, LinkedIdentity};
pub use freshness::Freshness;
pub use idempotency::{IdempotencyStore, NewRun, RunBegun};
pub use import::{Imported, KeyImport, UserImport};
pub use key::{EditorKey, EntryOf, KeyFilter, KeyRotation, KeyStore, ListedKey, Maker, NewKey};
pub use mail::{DueMail, MailStore, NewMail};
pub use mail_token::{
    Confirmation, Confirmed, Issue, MailPurpose, MailToken, MailTokenStore, PasswordReset, SignUp, SignedUp,
};
pub use open_request::OpenRequestStore;
pub use outbox::{ExpiringKey, OutboxStore};
pub use page::{Page, PageRequest};
pub use second_factor::{
    CodeAttempt, ConfirmedChange, FactorChange, FactorReset, NewChallenge, NewSecondFactor, SecondFactor,
    SecondFactorStore, Verdict,
};
pub use session::{ListedSession, NewSession, ProvedPassword, Rotated, Rotation, SessionStore};
pub use spool::{SpoolDepth, SpoolStore};
pub use usage::{KeyTotals, LogMark, LogPage, Stats, Totals, UsageScope, UsageStore};
pub use user::{Credentials, Deletion, DeletionProof, NewUser, PasswordChange, UserStore};
pub use web_session::WebSessionStore;
pub use windows::{SavedWindows, WindowStore};

/// A change to one record, applied to what its transaction has read. It may run more than once.
pub type Edit<T> = Arc<dyn Fn(&mut T) + Send + Sync>;

/// Every port, as one installation has them.
#[derive(Clone)]
pub struct Stores {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// Counts of attempts to prove who one is.
    pub attempts: Arc<dyn AttemptStore>,
    /// API keys.
    pub keys: Arc<dyn KeyStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// What changed, for other processes' memories.
    pub changes: Arc<dyn ChangeStore>,
    /// Usage events: writing and folding.
    pub events: Arc<dyn EventStore>,
    /// Requests that run long.
    pub open_requests: Arc<dyn OpenRequestStore>,
    /// Sums of usage.
    pub usage: Arc<dyn UsageStore>,
    /// Saved windows.
    pub windows: Arc<dyn WindowStore>,
    /// Mails that wait to be sent.
    pub mails: Arc<dyn MailStore>,
    /// Tokens that leave by mail.
    pub mail_tokens: Arc<dyn MailTokenStore>,
    /// Devices that ask to be signed in.
    pub devices: Arc<dyn DeviceStore>,
    /// Sessions of browsers.
    pub web_sessions: Arc<dyn WebSessionStore>,
    /// Identities that other issuers vouch for.
    pub external_identities: Arc<dyn ExternalIdentityStore>,
    /// Second factors.
    pub second_factors: Arc<dyn SecondFactorStore>,
    /// The audit log.
    pub audit: Arc<dyn AuditStore>,
    /// What is left of deleted users.
    pub erasures: Arc<dyn ErasureStore>,
    /// Events that wait to be delivered.
    pub outbox: Arc<dyn OutboxStore>,
    /// Calls that carry an `Idempotency-Key`.
    pub idempotency: Arc<dyn IdempotencyStore>,
}
