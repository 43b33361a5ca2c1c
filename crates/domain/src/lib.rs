//! The rules of Tollgate as plain code: what a user, a key, a tier, a permission, a window of
//! requests and a month of tokens are, and what may be computed from them alone.
//!
//! **Owns** ids, accounts, keys (format, checksum, hash), tiers, permissions, limit windows, quota
//! arithmetic, the usage event, and time and randomness as traits.
//!
//! **Must never see** a runtime, a database, a server, the environment, or the present time: those
//! come in as arguments. Other Rust services link this crate, so its tree stays small; see
//! `examples/check_key.rs`.
//!
//! To add a concept, add a file with its name here and give the same name to its file in every
//! ring above.

pub mod address;
pub mod audit;
pub mod clock;
pub mod credential;
pub mod device;
pub mod email;
pub mod event;
pub mod id;
pub mod key;
pub mod latency;
pub mod limit;
pub mod network;
pub mod outbox;
pub mod permission;
pub mod quota;
pub mod random;
pub mod session;
pub mod tier;
pub mod user;
pub mod window;

pub use address::AddressKey;
pub use audit::{AuditAction, AuditActor, AuditEntry, AuditHead, AuditRow, AuditSubject, Personal};
pub use clock::{Clock, Time};
pub use device::UserCode;
pub use email::Email;
pub use event::{RequestType, Tokens, UsageEvent, UsageSource};
pub use id::{AuditId, EventId, KeyId, MailId, OutboxId, RunId, SessionId, UserId};
pub use key::{ApiKey, Environment, KeyHash, KeyKind, KeyText, Pepper};
pub use limit::{Checks, LimitOverrides};
pub use network::Network;
pub use outbox::{OutboxEvent, OutboxKind};
pub use permission::{Permission, Permissions};
pub use quota::Month;
pub use random::Randomness;
pub use session::Session;
pub use tier::{Tier, TierLimits, Tiers};
pub use user::{Role, User};
pub use window::{WindowKind, Windows};
