//! The stores on Postgres and on SQLite, behind one set of queries.
//!
//! **Owns** diesel, the connections, the migrations (`migrations/{postgres,sqlite}`) and every SQL text.
//! A port is implemented in the file of its noun; what truly differs between the databases is in `pg.rs`
//! and `sqlite.rs`, what diesel lacks to write a query once is in `both.rs`.
//!
//! **Must never see** a server, a runtime or a use case. Callers block: a store is called from a pool that
//! may wait, never from a worker.
//!
//! On SQLite one thread has the one connection that writes ([`Db`] starts and ends it); another moves the
//! write-ahead log into the file. On Postgres all callers share a pool, and events have a connection of
//! their own.
//!
//! `examples/fold.rs` measures what a start after a crash waits for.
//!
//! To add a method to a port: a test in the suite of `tollgate-store`, then here in the noun's file. To add
//! a table or a column: a migration of the same name for both databases, `schema.rs`, and the noun's rows.

mod account;
mod appender;
mod attempt;
mod audit;
pub mod audit_head;
mod both;
mod change;
mod checkpoint;
mod database;
mod device;
mod erasure;
mod event;
mod external_identity;
mod failure;
mod fold;
pub mod foreign;
mod idempotency;
mod import;
mod key;
pub mod lock;
mod log;
mod mail;
mod mail_token;
pub mod migrate;
mod number;
pub mod open;
mod open_request;
mod outbox;
mod password;
mod pg;
mod pool;
mod rows;
mod schema;
mod second_factor;
mod session;
pub mod settings;
mod sign_up;
pub mod spool;
mod sqlite;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;
mod turns;
mod types;
mod usage;
mod user;
mod watch;
mod web_session;
mod windows;
mod writer;

pub use audit_head::OutsideHead;
pub use lock::{LockError, ServerLock, Standing};
pub use migrate::{Check, check, migrate};
pub use open::{Db, OpenError};
pub use settings::{NotAUrl, Settings, Url};
pub use spool::{Spool, SpoolError};
