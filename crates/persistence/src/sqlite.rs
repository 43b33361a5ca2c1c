//! What only SQLite has: its file and its pragmas.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    ConnectionError,
    connection::SimpleConnection,
    prelude::*,
    r2d2::Error,
    sql_query,
    sql_types::{BigInt, Text},
};

/// The oldest version without a known bug in its WAL that could lose a commit.
pub const OLDEST: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another process' lock, in milliseconds.
const BUSY_TIMEOUT_MS: u32 = 5_000;
/// The pause before a file is asked again for its log.
const LOG_PAUSE: Duration = Duration::from_millis(5);
/// What SQLite says of a file that somebody else is just using.
const LOCKED: &str = "database is locked";
/// How long the writer waits for readers when it begins the WAL anew, in milliseconds.
const RESTART_TIMEOUT_MS: u32 = 100;
/// What the writer keeps of the file in memory, in KiB. A transaction that changes more pages than these writes some of
/// them twice: a batch of an import changes two thousand, all over the indices.
const WRITER_CACHE_KIB: u32 = 16 * 1_024;
/// What is left of the WAL after a checkpoint that emptied it, in bytes.
const WAL_KEPT_BYTES: u32 = 64 * 1_024 * 1_024;
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Write, and wait for the disk at each commit.
    Write,
    /// Write without waiting for the disk: for databases of tests.
    WriteCarelessly,
}

/// Makes the file, readable by its owner only, and its folder if there is none.
pub fn prepare_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    Ok(())
}

/// Opens a connection with our pragmas.
pub fn connect(path: &Path, access: Access) -> Result<SqliteConnection, Error> {
    let bad = |reason: String| Error::ConnectionError(ConnectionError::BadConnection(reason));
    // Absolute, so that no name is taken for one of SQLite's own (`:memory:`, `file:`).
    let path = absolute(path).map_err(|error| bad(error.to_string()))?;
    let path = path.to_str().ok_or_else(|| bad("the database's path is not UTF-8".to_owned()))?;
    let mut conn = SqliteConnection::establish(path).map_err(Error::ConnectionError)?;
    let synchronous = if access == Access::WriteCarelessly { "OFF" } else { "FULL" };
    let query_only = if access == Access::Read { "ON" } else { "OFF" };
    conn.batch_execute(&format!("PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")).map_err(Error::QueryError)?;
    begin_log(&mut conn).map_err(Error::QueryError)?;
    conn.batch_execute(&format!(
        "PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0; \
         PRAGMA journal_size_limit={WAL_KEPT_BYTES}; PRAGMA query_only={query_only}"
    ))
    .map_err(Error::QueryError)?;
    if access != Access::Read {
        conn.batch_execute(&format!("PRAGMA cache_size=-{WRITER_CACHE_KIB}")).map_err(Error::QueryError)?;
    }
    Ok(conn)
}

/// Has the file keep a write-ahead log. Where several open a new file at the same time, SQLite refuses some of them
/// without waiting: they ask again.
fn begin_log(conn: &mut SqliteConnection) -> QueryResult<()> {
    let end = Instant::now() + Duration::from_millis(BUSY_TIMEOUT_MS.into());
    loop {
        match conn.batch_execute("PRAGMA journal_mode=WAL") {
            Err(error) if is_locked(&error) && Instant::now() < end => thread::sleep(LOG_PAUSE),
            result => return result,
        }
    }
}

fn is_locked(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, told) if told.message() == LOCKED)
}

/// Opens somebody else's file, of which nothing is changed, only for reading.
pub fn connect_foreign(path: &Path) -> Result<SqliteConnection, Error> {
    let bad = |reason: String| Error::ConnectionError(ConnectionError::BadConnection(reason));
    let path = absolute(path).map_err(|error| bad(error.to_string()))?;
    let path = path.to_str().ok_or_else(|| bad("the database's path is not UTF-8".to_owned()))?;
    let mut conn = SqliteConnection::establish(&format!("file:{}?mode=ro", in_a_uri(path)))
        .map_err(Error::ConnectionError)?;
    conn.batch_execute(&format!("PRAGMA busy_timeout={BUSY_TIMEOUT_MS}; PRAGMA query_only=ON"))
        .map_err(Error::QueryError)?;
    Ok(conn)
}

/// A path as SQLite takes it in a URI.
fn in_a_uri(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// The write-ahead log of the database at `path`.
pub fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Bytes of a file; 0 where there is none.
pub fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[derive(QueryableByName)]
struct Log {
    #[diesel(sql_type = BigInt)]
    log: i64,
}

/// Moves what it can of the WAL into the database without waiting for anybody; gives the WAL's length in pages.
pub fn checkpoint(conn: &mut SqliteConnection) -> QueryResult<i64> {
    sql_query("PRAGMA wal_checkpoint(PASSIVE)").get_result::<Log>(conn).map(|row| row.log)
}

/// Moves all of the WAL into the database, so that the next commit begins it anew. For the one writer, between two
/// transactions; waits only briefly for who reads an older state, and leaves it for another time then.
pub fn restart_log(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("PRAGMA busy_timeout={RESTART_TIMEOUT_MS}"))?;
    let restarted = conn.batch_execute("PRAGMA wal_checkpoint(RESTART)");
    conn.batch_execute(&format!("PRAGMA busy_timeout={BUSY_TIMEOUT_MS}"))?;
    restarted
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// SQLite's version, as `3.53.2`.
pub fn version(conn: &mut SqliteConnection) -> QueryResult<String> {
    sql_query("SELECT sqlite_version() AS version").get_result::<Version>(conn).map(|row| row.version)
}

/// Whether `version` is old enough to be warned of.
pub fn is_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    (part(), part(), part()) < OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_opens_a_new_file_waits_for_who_is_just_using_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("CREATE TABLE t (x); BEGIN IMMEDIATE").unwrap();
        thread::scope(|scope| {
            let opened = scope.spawn(|| connect(&path, Access::Write).map(drop));
            thread::sleep(Duration::from_millis(50));
            other.batch_execute("COMMIT").unwrap();
            opened.join().unwrap().unwrap();
        });
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_old("3.51.2"));
        assert!(is_old("3.9.99"));
        assert!(!is_old("3.51.3"));
        assert!(!is_old("3.100.0"));
    }
}
