//! How connections are opened and kept.

use std::time::Duration;

use diesel::r2d2::{Error, ManageConnection, Pool, R2D2Connection};
use tollgate_store::StoreError;

use crate::{
    both::Conn,
    pg,
    settings::Url,
    sqlite::{self, Access},
};

/// How long a caller waits for a free connection: less than anybody's patience, so that a busy pool is not
/// taken for a database that does not answer.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Connections that callers share.
pub type DbPool = Pool<Manager>;

/// Opens connections by the URL's scheme. (The one that diesel derives tries each database in turn and
/// hides the cause.)
#[derive(Debug, Clone)]
pub struct Manager {
    /// Where to.
    pub url: Url,
    /// How SQLite's file is opened.
    pub access: Access,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn, Error> {
        match &self.url {
            Url::Postgres(url) => pg::connect(url).map(Conn::Pg),
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
    Pool::builder()
        .max_size(size.max(1))
        .min_idle(Some(0))
        .connection_timeout(CONNECTION_TIMEOUT)
        .test_on_check_out(true)
        .build_unchecked(manager)
}

/// A connection, or `Unavailable` where none becomes free in time.
pub fn take(pool: &DbPool) -> Result<diesel::r2d2::PooledConnection<Manager>, StoreError> {
    pool.get().map_err(StoreError::unavailable)
}
