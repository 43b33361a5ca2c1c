//! The one value behind all ports: how reads and writes reach the database.

use std::sync::{Arc, Mutex, PoisonError};

use diesel::r2d2::{ManageConnection, R2D2Connection};
use tollgate_domain::Clock;
use tollgate_store::{Change, ChangeListener, StoreError};

use crate::{
    both::{Conn, write_tx},
    change,
    checkpoint::Checkpoints,
    failure::Failure,
    pg,
    pool::{self, DbPool, Manager},
    writer::{Queue, Writer},
};

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
}

/// What differs in writing.
pub enum Side {
    /// Writes go through the pool; events through a connection of their own, opened when first needed.
    Postgres {
        /// That connection.
        appender: Mutex<Option<Conn>>,
        /// What opens it.
        manager: Manager,
    },
    /// All writes go through one connection.
    Sqlite {
        /// Its thread.
        writer: Writer,
        /// The thread beside it.
        _checkpoints: Checkpoints,
    },
}

impl Side {
    /// Postgres, before the first event.
    pub const fn postgres(manager: Manager) -> Self {
        Self::Postgres { appender: Mutex::new(None), manager }
    }
}

impl Database {
    /// Reads with a connection of the pool.
    pub fn read<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut conn = pool::take(&self.pool)?;
        Ok(work(&mut conn)?)
    }

    /// Writes in one transaction.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.side {
            Side::Postgres { .. } => self.read(|conn| write_tx(conn, work)),
            Side::Sqlite { writer, .. } => writer.write(Queue::Others, work),
        }
    }

    /// Writes in one transaction what memories must learn of: the changes that `work` names are numbered
    /// as its last step, and told to this process before the caller goes on.
    pub fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<(T, Vec<Change>), Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let (value, changes) = self.write(move |conn| {
            let (value, changes) = work(conn)?;
            change::number(conn, &changes, now)?;
            Ok((value, changes))
        })?;
        if !changes.is_empty() {
            self.listener.changed(&changes);
        }
        Ok(value)
    }

    /// Appends events by one statement on the connection kept for it, or, where it takes several, in one
    /// transaction from the record queue of the one writer.
    pub fn record(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (appender, manager) = match &self.side {
            Side::Sqlite { writer, .. } => return writer.write(Queue::Records, work),
            Side::Postgres { appender, manager } => (appender, manager),
        };
        let mut place = appender.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conn = match place.take() {
            Some(conn) => conn,
            None => open_appender(manager)?,
        };
        // One statement, so a transaction of its own.
        let result = work(&mut conn).map_err(StoreError::from);
        // After anything but a refusal the connection may be dead or busy: the next group gets a new one.
        if !conn.is_broken() && matches!(result, Ok(()) | Err(StoreError::Rejected(_))) {
            *place = Some(conn);
        }
        result
    }
}

fn open_appender(manager: &Manager) -> Result<Conn, StoreError> {
    let mut conn = manager.connect().map_err(StoreError::unavailable)?;
    if let Conn::Pg(conn) = &mut conn {
        pg::for_appending(conn).map_err(StoreError::unavailable)?;
    }
    Ok(conn)
}
