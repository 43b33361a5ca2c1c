//! The configuration of Tollgate: one typed structure, one file a section.
//!
//! **Owns** reading it (built-in defaults, then the configuration file, then `.env`, then the environment;
//! later wins), checking it, saying everything that is wrong with it at once, where each value came from, and
//! the secrets that development generates. Also the real clock and the real randomness, because a program
//! takes those from its surroundings just like its configuration.
//!
//! **Must never see** any other crate of Tollgate but `domain` (the names of tiers and permissions), and
//! whatever the values are used for. [`load`] changes nothing and reads nothing but its [`Sources`];
//! [`ensure_secrets`] is the one step that writes.
//!
//! ```no_run
//! use tollgate_config::{Sources, ensure_secrets, load};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut loaded = load(&Sources::from_process(None)?)?;
//! for created in ensure_secrets(&mut loaded)? {
//!     eprintln!("made {} in {}", created.name, created.path.display());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! To add a key, read it in the file of its section through `Section`, which makes it known, and add it
//! to `docs/CONFIGURATION.md`.

mod account;
mod authentication;
mod config;
mod database;
mod decimal;
mod file;
mod generated;
mod identity_provider;
mod limits;
mod logging;
mod mail;
mod model;
mod nearest;
mod operations;
mod performance;
mod preset;
mod pricing;
mod problem;
mod production;
mod provider;
mod quota;
mod report;
mod secrets;
mod section;
mod server;
mod source;
pub mod system;
mod tier;
mod token;
mod unserved;
mod url;
mod variable;
mod yaml;

pub use account::{Lockout, Password, Registration, RegistrationMode, Tokens};
pub use authentication::{Authentication, LegacyKey};
pub use config::{Admin, Config, Loaded, load};
pub use database::{Database, DatabaseUrl};
pub use generated::{Created, ensure_secrets};
pub use identity_provider::IdentityProvider;
pub use limits::{AddressLimits, Keys, ManagementLimits};
pub use logging::{LogFormat, LogLevel, Logging};
pub use mail::Mail;
pub use model::{Candidate, Model, OutputLimitField};
pub use operations::{Cache, Cluster, Cors, Record, Retention, Shutdown};
pub use performance::Performance;
pub use pricing::{ModelPrice, Pricing};
pub use problem::{Problem, Problems};
pub use provider::{ECHO, Provider, ProviderKind};
pub use quota::Quota;
pub use secrets::{MIN_SECRET_BYTES, Secrets};
pub use server::{Environment, Server};
pub use source::{REDACTED, Shown, Source, Sources, UNSET};
pub use token::{Token, load_token};
