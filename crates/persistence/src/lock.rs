//! One server per database.

mod session;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use self::session::Session;
use crate::{open::OpenError, settings::Url, sqlite::prepare_file};

/// What a lock file holds at most: a process' number.
const MAX_PID_BYTES: u64 = 20;

/// Why a server may not have the database.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process of this machine has the file.
    #[error("another server (process {pid}) uses this database; its lock file is {}", path.display())]
    HeldByProcess {
        /// Its number, as it wrote it into the lock file.
        pid: String,
        /// The lock file.
        path: PathBuf,
    },
    /// Another server has the database.
    #[error(
        "another server uses this database: several servers need Redis (REDIS_URL) to count their limits together"
    )]
    HeldElsewhere,
    /// The lock file cannot be made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The database cannot be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Held by the one server of a database; it ends with the value or with the process.
pub struct ServerLock(Held);

enum Held {
    /// The system's lock on the file beside SQLite's.
    File(#[expect(dead_code, reason = "held for its lock")] File),
    /// A session that has the advisory lock.
    Session(Session),
}

/// What has become of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is held.
    Held,
    /// It went with its connection; another server may have it by now.
    Lost,
    /// The database does not say: it may hang, or be out of reach for now.
    NoAnswer,
}

impl ServerLock {
    /// Takes the lock of the database at `url`: on SQLite now or never, on Postgres within `wait`, so that a
    /// server may be replaced by another that starts while it still drains.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(url: &Url, wait: Duration) -> Result<Self, LockError> {
        match url {
            Url::Sqlite(path) => {
                // The first server of all comes before the folder.
                prepare_file(path).map_err(|source| LockError::File { path: path.clone(), source })?;
                take_file(&lock_file(path)).map(Held::File)
            }
            Url::Postgres(_) => Session::take(url, wait).map(Held::Session),
        }
        .map(Self)
    }

    /// Whether the lock is still held: on Postgres it goes with its connection. Does not wait long.
    pub fn still_held(&self) -> Standing {
        match &self.0 {
            Held::File(_) => Standing::Held,
            Held::Session(session) => session.standing(),
        }
    }

    /// Takes a lost lock again. A session that only the database believes alive, because the network lost
    /// its end, does not count: it is ended.
    ///
    /// # Errors
    /// See [`LockError`]: `HeldElsewhere` where another server has the database, all else is worth another
    /// try.
    pub fn retake(&mut self) -> Result<(), LockError> {
        match &mut self.0 {
            Held::File(_) => Ok(()),
            Held::Session(session) => session.retake(),
        }
    }
}

/// The file that is locked beside a file.
pub(crate) fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Locks a file, now or never, and writes this process' number into it.
///
/// # Errors
/// `HeldByProcess` where another process has it, `File` where it cannot be made.
pub(crate) fn take_file(path: &Path) -> Result<File, LockError> {
    let failed = |source| LockError::File { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(failed(source)),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.take(MAX_PID_BYTES).read_to_string(&mut pid).map_err(failed)?;
            return Err(LockError::HeldByProcess { pid: pid.trim().to_owned(), path: path.to_owned() });
        }
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(failed)?;
    Ok(file)
}
