//! SQLite's checkpoints, on a thread of their own: no commit waits for one, as long as there are pauses.
//!
//! The log begins anew only when a commit finds all of it in the database. A checkpoint beside commits that follow
//! each other without a pause never gets there, and the log would grow for as long as they do. So from a certain
//! length on the writer does the last few pages itself, between two of its transactions.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use diesel::SqliteConnection;

use crate::sqlite;

/// How often the log's size is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The log's size from which it is worth a checkpoint: 1,000 pages of 4 KiB.
const WORTH_BYTES: u64 = 1_000 * 4_096;
/// The pages of a log from which the writer is to begin it anew: 64 MiB.
const MAX_PAGES: i64 = 16_384;

/// The thread that moves the write-ahead log into the database. Dropping it ends and joins it.
pub struct Checkpoints {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts on a connection of its own to the database at `path`; `is_long` is set whenever the log has become
    /// so long that the writer must begin it anew.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        mut conn: SqliteConnection,
        path: PathBuf,
        is_long: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let (end, ended) = sync_channel(1);
        let wal = sqlite::wal_of(&path);
        let thread = thread::Builder::new().name("sqlite-checkpoints".to_owned()).spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                step(&mut conn, &wal, &is_long);
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

fn step(conn: &mut SqliteConnection, wal: &Path, is_long: &AtomicBool) {
    if sqlite::size_of(wal) < WORTH_BYTES {
        return;
    }
    match sqlite::checkpoint(conn) {
        Ok(pages) if pages >= MAX_PAGES => is_long.store(true, Ordering::Relaxed),
        Ok(_short) => {}
        Err(error) => tracing::warn!(%error, "a checkpoint failed"),
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // It only ends; nothing is learnt from how.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::{connection::SimpleConnection, prelude::*, sql_query};

    use super::*;
    use crate::{
        both::{Conn, batch},
        pool::Manager,
        settings::Url,
        sqlite::Access,
        writer::{Queue, Writer},
    };

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(60);
    /// Rows of 4 KiB, so many that the log is too long.
    const MANY: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 17000) \
                        INSERT INTO t SELECT randomblob(4000) FROM n";

    #[test]
    fn a_log_that_no_checkpoint_catches_up_with_begins_anew_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let open = |access| sqlite::connect(&path, access).unwrap();
        let is_long = Arc::<AtomicBool>::default();
        let conn = Conn::Sqlite(open(Access::WriteCarelessly));
        let manager = Manager { url: Url::Sqlite(path.clone()), access: Access::WriteCarelessly };
        let writer = Writer::start(conn, manager, Arc::clone(&is_long)).unwrap();
        let write = |text: &'static str| {
            writer.write(Queue::Records, LONG, move |conn| Ok(batch(conn, text)?)).unwrap()
        };
        let (mut beside, mut reader) = (open(Access::Write), open(Access::Read));
        write("CREATE TABLE t (x BLOB)");
        // Whoever reads keeps a checkpoint from the end of the log, as a commit in its middle does.
        reader.batch_execute("BEGIN").unwrap();
        sql_query("SELECT count(*) FROM t").execute(&mut reader).unwrap();
        write(MANY);
        step(&mut beside, &sqlite::wal_of(&path), &is_long);
        reader.batch_execute("COMMIT").unwrap();
        assert!(is_long.load(Ordering::Relaxed));
        for _ in 0..3 {
            write("INSERT INTO t VALUES (1)");
        }
        assert!(sqlite::checkpoint(&mut beside).unwrap() < 10);
        assert!(!is_long.load(Ordering::Relaxed));
    }
}
