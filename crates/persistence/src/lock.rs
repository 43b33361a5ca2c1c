//! One server per database.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use diesel::{connection::SimpleConnection, prelude::*, sql_query, sql_types::Bool};

use crate::{
    both::Conn,
    open::{OpenError, connect},
    settings::Url,
    sqlite::{Access, prepare_file},
};

/// How long a server waits for another one's lock on Postgres, where nothing else is said.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);
/// The advisory lock of servers.
const LOCK: i64 = 0x746f_6c6c_7365_7276;
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
    /// A connection that has the advisory lock.
    Session(Mutex<PgConnection>),
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
            Url::Postgres(_) => take_session(url, wait).map(|conn| Held::Session(Mutex::new(conn))),
        }
        .map(Self)
    }

    /// Whether the lock is still held: on Postgres it goes with its connection.
    pub fn still_held(&self) -> bool {
        match &self.0 {
            Held::File(_) => true,
            Held::Session(conn) => {
                let mut conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
                sql_query(
                    "SELECT count(*) > 0 AS yes FROM pg_locks \
                     WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()",
                )
                .get_result::<Answer>(&mut *conn)
                .is_ok_and(|answer| answer.yes)
            }
        }
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn take_file(path: &Path) -> Result<File, LockError> {
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

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

fn take_session(url: &Url, wait: Duration) -> Result<PgConnection, LockError> {
    let Conn::Pg(mut conn) = connect(url, Access::Read)? else {
        return Err(OpenError::Malformed.into());
    };
    // Its whole work is to stay.
    conn.batch_execute("SET idle_session_timeout TO 0; SET statement_timeout TO '5s'")
        .map_err(OpenError::from)?;
    let end = Instant::now() + wait;
    loop {
        let answer: Answer = sql_query(format!("SELECT pg_try_advisory_lock({LOCK}) AS yes"))
            .get_result(&mut conn)
            .map_err(OpenError::from)?;
        if answer.yes {
            return Ok(conn);
        }
        if Instant::now() >= end {
            return Err(LockError::HeldElsewhere);
        }
        thread::sleep(EVERY);
    }
}
