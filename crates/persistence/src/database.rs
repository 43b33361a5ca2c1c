//! The one value behind all ports: how reads and writes reach the database, and how long callers wait.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{AuditEntry, Clock, Pepper};
use tollgate_store::{Change, ChangeListener, StoreError};

use crate::{
    appender::Appender,
    audit,
    both::{Conn, snapshot, write_tx},
    change,
    checkpoint::Checkpoints,
    failure::Failure,
    idempotency, outbox, pg,
    pool::{self, DbPool, Manager},
    threads::Threads,
    writer::{Queue, Writer},
};

/// How long a caller waits for one row by its key: requests wait for it.
const LOOKUP: Duration = Duration::from_secs(2);
/// How long a caller waits for what people do with accounts and keys.
const CONTROL: Duration = Duration::from_secs(5);
/// How long a caller waits for sums and lists; the database goes on a little less long.
const REPORT: Duration = Duration::from_secs(15);
/// How long the server's own work waits: the fold, the partitions. And imports, each of which waits for the others.
pub const UPKEEP: Duration = Duration::from_secs(25);
/// The same where SQLite's one writer does it: longer than a statement waits for another process.
const SQLITE_WRITE: Duration = Duration::from_secs(10);
/// The most threads that wait for Postgres, those that were given up among them. Those hold a connection of
/// the pool each, so that most of these are always free.
const MAX_THREADS: usize = 64;

/// An open database; it implements every port, each in the file of its noun.
pub struct Database {
    /// Connections for reading, on Postgres also for writing.
    pub pool: DbPool,
    /// How it is written to.
    pub side: Side,
    /// Who learns of changes at once.
    pub listener: Arc<dyn ChangeListener>,
    /// When changes are dated.
    pub clock: Arc<dyn Clock>,
    /// What keys the chain of the audit log.
    pub pepper: Pepper,
}

/// What a change brings about beside its own rows.
#[derive(Debug, Default)]
pub struct Effects {
    /// What memories must forget.
    pub changes: Vec<Change>,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

impl Effects {
    /// Nothing: nothing was done.
    pub const NONE: Self = Self { changes: Vec::new(), audit: Vec::new() };

    /// Both.
    pub const fn new(changes: Vec<Change>, audit: Vec<AuditEntry>) -> Self {
        Self { changes, audit }
    }
}

/// What differs in reaching it.
pub enum Side {
    /// Everything goes through the pool, on threads that may be given up; events have their own.
    Postgres {
        /// Those threads.
        threads: Threads,
        /// Events' own.
        appender: Appender,
    },
    /// Reads go through the pool, all writes through one connection.
    Sqlite {
        /// Its thread.
        writer: Writer,
        /// The thread beside it.
        _checkpoints: Checkpoints,
    },
}

impl Side {
    /// Postgres, before the first thread.
    pub fn postgres(manager: Manager) -> Self {
        Self::Postgres { threads: Threads::new("database", MAX_THREADS), appender: Appender::new(manager) }
    }
}

impl Database {
    /// Reads what people ask for of accounts and keys.
    pub fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.within(CONTROL, work)
    }

    /// Reads what requests wait for: a row or a few by their key.
    pub fn lookup<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.within(LOOKUP, work)
    }

    /// Reads what may take long, sums and lists, on one unmoving state of the database.
    pub fn report<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.within(REPORT, move |conn| {
            snapshot(conn, |conn| {
                pg::for_report(conn)?;
                work(conn)
            })
        })
    }

    /// Writes in one transaction.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_within(self.patience(), work)
    }

    /// How long a caller waits for a write.
    const fn patience(&self) -> Duration {
        match self.side {
            Side::Postgres { .. } => CONTROL,
            Side::Sqlite { .. } => SQLITE_WRITE,
        }
    }

    /// Writes in one transaction, for whose verdict the caller waits at most `patience`; without one it may
    /// still be written.
    pub fn write_within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.side {
            Side::Postgres { .. } => self.within(patience, |conn| write_tx(conn, work)),
            Side::Sqlite { writer, .. } => writer.write(Queue::Others, patience, work),
        }
    }

    /// Writes in one transaction what memories must learn of and the audit log tells: what the entries that `work` names
    /// mean to others goes into the outbox, they are chained next to last, its changes numbered as its last step, and told to this process before the caller
    /// goes on. Where the caller gave up on the verdict, this process learns of them as all others do.
    pub fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<(T, Effects), Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.change_within(self.patience(), work)
    }

    /// The same, for whose verdict the caller waits at most `patience`.
    pub fn change_within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Conn) -> Result<(T, Effects), Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let pepper = self.pepper.clone();
        let (value, changes) = self.write_within(patience, move |conn| {
            let (value, Effects { changes, audit }) = work(conn)?;
            // Before the head of the audit log is held: whoever deletes a user holds the row first, too.
            idempotency::mark(conn, &audit)?;
            outbox::tell(conn, &audit)?;
            audit::append(conn, &pepper, &audit)?;
            change::number(conn, &changes, now)?;
            Ok((value, changes))
        })?;
        if !changes.is_empty() {
            self.listener.changed(&changes);
        }
        Ok(value)
    }

    /// Appends events, and waits at most `patience` for the verdict: by one statement on a connection kept
    /// for it, or, where it takes several, in one transaction from the record queue of the one writer.
    pub fn record(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Conn) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), StoreError> {
        match &self.side {
            Side::Postgres { appender, .. } => appender.append(patience, work),
            Side::Sqlite { writer, .. } => writer.write(Queue::Records, patience, work),
        }
    }

    /// Runs `work` with a connection of the pool. The pool tests a connection before it gives it, so that
    /// too is done where a thread can be given up; a file answers where the caller stands.
    pub fn within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        let run = move || {
            let mut taken = pool::take(&pool)?;
            Ok(work(&mut taken.conn)?)
        };
        match &self.side {
            Side::Postgres { threads, .. } => threads.run(patience, run),
            Side::Sqlite { .. } => run(),
        }
    }
}
