//! The spool: an SQLite file beside the server, where events wait that the database could not take, and
//! where open requests leave their rows meanwhile.
//!
//! Its tables are made and known here alone; events stand in them as JSON, so that a spool that an older
//! version left behind is read by a newer one.

mod reserve;
mod store;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use tollgate_store::StoreError;

use crate::{
    failure::Failure,
    lock::{self, LockError},
    sqlite,
};
use reserve::Reserve;

/// The file's name in the data directory.
pub const FILE: &str = "spool.db";
/// `toll`: marks the file as ours.
const APPLICATION_ID: i64 = 0x746f_6c6c;
/// The version of the tables.
const VERSION: i64 = 1;
/// The largest that a spool grows: some millions of events.
const MAX_BYTES: i64 = 4 * 1_024 * 1_024 * 1_024;
const PAGE_BYTES: i64 = 4_096;
/// How long a statement waits for somebody who looks into the file.
const BUSY_TIMEOUT_MS: u32 = 1_000;
const TABLES: &str = "\
    CREATE TABLE waiting (
        n     INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
        id    TEXT UNIQUE NOT NULL,
        time  TEXT NOT NULL,
        event TEXT NOT NULL
    ) STRICT;
    CREATE TABLE rejected (
        id          TEXT PRIMARY KEY NOT NULL,
        rejected_at TEXT NOT NULL,
        reason      TEXT NOT NULL,
        event       TEXT NOT NULL
    ) STRICT;
    CREATE TABLE open_requests (
        id      TEXT PRIMARY KEY NOT NULL,
        kept_at TEXT NOT NULL,
        event   TEXT NOT NULL
    ) STRICT;";

/// Why a spool is not opened. Nothing in the file was changed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file or its folder cannot be made or read.
    #[error("the spool {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another server has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It is damaged, or no spool of Tollgate's.
    #[error(
        "the spool {} cannot be used ({reason}): events that were not in the database yet may be in it; \
         move it away and keep it, or put back what stood there",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// An open spool. One process has it at a time.
pub struct Spool {
    conn: Mutex<SqliteConnection>,
    reserve: Reserve,
    _lock: File,
}

impl Spool {
    /// Opens the spool in `folder`, and makes it if there is none.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        let path = folder.join(FILE);
        let file = |source| SpoolError::File { path: path.clone(), source };
        let unusable = |reason: String| SpoolError::Unusable { path: path.clone(), reason };
        sqlite::prepare_file(&path).map_err(file)?;
        let lock = lock::take_file(&lock::lock_file(&path))?;
        let text = path.to_str().ok_or_else(|| unusable("its path is not UTF-8".to_owned()))?;
        let mut conn = SqliteConnection::establish(text).map_err(|error| unusable(error.to_string()))?;
        prepare(&mut conn).map_err(|failure| unusable(reason(failure)))?;
        Ok(Self { conn: Mutex::new(conn), reserve: Reserve::keep(folder), _lock: lock })
    }

    fn conn(&self) -> MutexGuard<'_, SqliteConnection> {
        // A transaction in which something panicked was rolled back by diesel.
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        Ok(self.conn().immediate_transaction(work)?)
    }

    /// Takes something out, also where the disk is full.
    fn clear(&self, work: impl Fn(&mut SqliteConnection) -> Result<(), Failure>) -> Result<(), StoreError> {
        match self.write(&work) {
            Err(StoreError::Unavailable(_)) if self.reserve.give() => self.write(work),
            result => result,
        }
    }
}

/// Looks at the file before anything in it is changed, makes the tables of a new one, and sets the
/// connection up.
fn prepare(conn: &mut SqliteConnection) -> Result<(), Failure> {
    conn.batch_execute(&format!("PRAGMA busy_timeout={BUSY_TIMEOUT_MS}"))?;
    let objects = number(conn, "SELECT count(*) AS number FROM sqlite_schema")?;
    let application = number(conn, "SELECT application_id AS number FROM pragma_application_id")?;
    let version = number(conn, "SELECT user_version AS number FROM pragma_user_version")?;
    let is_new = (objects, application, version) == (0, 0, 0);
    if !is_new && application != APPLICATION_ID {
        return Err(StoreError::unavailable("it is a database, but no spool of Tollgate's").into());
    }
    if version > VERSION {
        return Err(StoreError::unavailable("a newer Tollgate wrote it").into());
    }
    let Word { word } =
        sql_query("SELECT quick_check AS word FROM pragma_quick_check LIMIT 1").get_result(conn)?;
    if word != "ok" {
        return Err(StoreError::unavailable(word).into());
    }
    // What was drained is given back to the disk at each commit; to be said before the first table.
    conn.batch_execute("PRAGMA auto_vacuum=FULL")?;
    conn.batch_execute(&format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA max_page_count={}",
        MAX_BYTES / PAGE_BYTES
    ))?;
    if is_new {
        conn.batch_execute(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION}; \
             COMMIT"
        ))?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

fn number(conn: &mut SqliteConnection, query: &str) -> QueryResult<i64> {
    sql_query(query).get_result::<Number>(conn).map(|row| row.number)
}

/// What went wrong, in the words of whoever said so.
fn reason(failure: Failure) -> String {
    match failure {
        Failure::Database(error) => error.to_string(),
        Failure::Store(StoreError::Unavailable(cause) | StoreError::Rejected(cause)) => cause.to_string(),
        Failure::Store(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
