//! SQLite's checkpoints, on a thread of their own: no commit ever waits for one.

use std::{
    path::PathBuf,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use diesel::{SqliteConnection, connection::SimpleConnection};

use crate::sqlite;

/// How often the log's size is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The log's size from which it is worth a checkpoint: 1,000 pages of 4 KiB.
const WORTH_BYTES: u64 = 1_000 * 4_096;

/// The thread that moves the write-ahead log into the database. Dropping it ends and joins it.
pub struct Checkpoints {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts on a connection of its own to the database at `path`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut conn: SqliteConnection, path: PathBuf) -> std::io::Result<Self> {
        let (end, ended) = sync_channel(1);
        let wal = sqlite::wal_of(&path);
        let thread = thread::Builder::new().name("sqlite-checkpoints".to_owned()).spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if sqlite::size_of(&wal) >= WORTH_BYTES
                    && let Err(error) = conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")
                {
                    tracing::warn!(%error, "a checkpoint failed");
                }
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
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
