//! What the API shows of things: one file a noun, no secrets but where a type says so.

pub mod audit;
pub mod backup_codes;
pub mod billing;
pub mod event;
pub mod key;
pub mod money;
pub mod session;
pub mod stats;
pub mod user;
pub mod verdict;
