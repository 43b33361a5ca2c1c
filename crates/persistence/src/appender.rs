//! Appending events on Postgres: on connections of its own, which no other caller can hold up.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel::r2d2::{ManageConnection, R2D2Connection};
use tollgate_store::StoreError;

use crate::{both::Conn, failure::Failure, pg, pool::Manager, threads::Threads};

/// Groups under way at once, most of them given up: each holds a thread and a connection.
const MAX_UNDER_WAY: usize = 16;
/// Connections kept for the next group: the recorder sends new groups beside those from its spool.
const KEPT: usize = 2;

/// Appends groups, each on a connection that no other has meanwhile.
pub struct Appender {
    threads: Threads,
    idle: Idle,
    manager: Manager,
}

type Idle = Arc<Mutex<Vec<Conn>>>;

impl Appender {
    /// No connection yet; `manager` opens them.
    pub fn new(manager: Manager) -> Self {
        Self { threads: Threads::new("appender", MAX_UNDER_WAY), idle: Arc::default(), manager }
    }

    /// Runs `work`, one statement, and waits at most `patience` for its verdict. While earlier ones are
    /// still without theirs, it has another thread and another connection.
    ///
    /// # Errors
    /// The work's; `Unavailable` without a verdict.
    pub fn append(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Conn) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (idle, manager) = (Arc::clone(&self.idle), self.manager.clone());
        self.threads.run(patience, move || {
            let kept = locked(&idle).pop();
            let mut conn = kept.map_or_else(|| open(&manager), Ok)?;
            let result = work(&mut conn).map_err(StoreError::from);
            if !conn.is_broken() && matches!(result, Ok(()) | Err(StoreError::Rejected(_))) {
                let mut idle = locked(&idle);
                if idle.len() < KEPT {
                    idle.push(conn);
                }
            } else {
                // This connection may be dead or busy, and so may the others: the next groups get new ones.
                let stale = std::mem::take(&mut *locked(&idle));
                drop(stale);
            }
            result
        })
    }
}

fn locked(idle: &Idle) -> MutexGuard<'_, Vec<Conn>> {
    // Nothing panics while it holds the lock.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(manager: &Manager) -> Result<Conn, StoreError> {
    let mut conn = manager.connect().map_err(StoreError::unavailable)?;
    if let Conn::Pg(conn) = &mut conn {
        pg::for_appending(conn).map_err(StoreError::unavailable)?;
    }
    Ok(conn)
}
