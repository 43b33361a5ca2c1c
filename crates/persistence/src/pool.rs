//! How connections are opened and kept.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::r2d2::{Error, ManageConnection, Pool, PooledConnection, R2D2Connection};
use tollgate_store::StoreError;

use crate::{
    both::Conn,
    pg,
    settings::Url,
    sqlite::{self, Access},
    turns::{Turn, Turns},
};

/// How long a caller waits for a free connection: less than anybody's patience, so that a busy pool is not
/// taken for a database that does not answer.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Connections that callers share, each in their turn.
#[derive(Clone)]
pub struct DbPool {
    connections: Pool<Manager>,
    turns: Arc<Turns>,
}

/// One of them, given back when dropped: the connection first, then the turn.
pub struct Taken {
    /// The connection.
    pub conn: PooledConnection<Manager>,
    _turn: Turn,
}

/// Opens connections by the URL's scheme. (The one that diesel derives tries each database in turn and
/// hides the cause.)
#[derive(Debug, Clone)]
pub struct Manager {
    /// Where to.
    pub url: Url,
    /// How SQLite's file is opened; on Postgres only whether commits wait for the disk.
    pub access: Access,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn, Error> {
        match &self.url {
            Url::Postgres(url) => pg::connect(url, self.access).map(Conn::Pg),
            Url::Sqlite(path) => sqlite::connect(path, self.access).map(Conn::Sqlite),
        }
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Error> {
        match conn {
            Conn::Pg(conn) => conn.ping().map_err(Error::QueryError),
            // A file does not go away.
            Conn::Sqlite(_) => Ok(()),
        }
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

/// A pool of at most `size` connections, opened when needed.
pub fn new(manager: Manager, size: u32) -> DbPool {
    let size = size.max(1);
    let connections = Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CONNECTION_TIMEOUT)
        .test_on_check_out(true)
        .build_unchecked(manager);
    DbPool { connections, turns: Turns::new(size) }
}

/// A connection, or `Unavailable` where none becomes free in time.
pub fn take(pool: &DbPool) -> Result<Taken, StoreError> {
    let deadline = Instant::now() + CONNECTION_TIMEOUT;
    let turn = pool.turns.take(deadline);
    let turn = turn.ok_or_else(|| StoreError::unavailable("every connection to the database is taken"))?;
    let left = deadline.saturating_duration_since(Instant::now());
    let conn = pool.connections.get_timeout(left).map_err(StoreError::unavailable)?;
    Ok(Taken { conn, _turn: turn })
}
