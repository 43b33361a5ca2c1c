//! SQLite's one write connection, on a thread of its own.
//!
//! Jobs come by two queues, groups of records and everything else, and the thread takes from them in turn:
//! a long row of one kind never stalls the other.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::r2d2::{ManageConnection, R2D2Connection};
use tollgate_store::StoreError;

use crate::{
    both::{Conn, write_tx},
    failure::Failure,
    pool::Manager,
    sqlite,
};

/// The most groups of records that wait; the recorder has but one or two under way.
const MAX_RECORDS: usize = 64;
/// The most other writes that wait.
const MAX_OTHERS: usize = 256;
/// How long a caller waits for a place in a full queue, at most.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end waits for the writes that wait; another process may hold the file's lock.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Conn) + Send>;

/// Which queue a job waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Groups of usage events.
    Records,
    /// Everything else.
    Others,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Job>,
    others: VecDeque<Job>,
    closed: bool,
    /// The thread is done.
    ended: bool,
}

impl Waiting {
    fn of(&mut self, queue: Queue) -> (&mut VecDeque<Job>, usize) {
        match queue {
            Queue::Records => (&mut self.records, MAX_RECORDS),
            Queue::Others => (&mut self.others, MAX_OTHERS),
        }
    }

    /// The next job, of the other queue than `last` if there is one.
    fn next(&mut self, last: Queue) -> Option<(Queue, Job)> {
        let order = match last {
            Queue::Records => [Queue::Others, Queue::Records],
            Queue::Others => [Queue::Records, Queue::Others],
        };
        order.into_iter().find_map(|queue| Some((queue, self.of(queue).0.pop_front()?)))
    }
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// A job came, or the end.
    came: Condvar,
    /// A job was taken, or the thread is done.
    went: Condvar,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The write connection's thread. Dropping it does what waits, as far as there is time for it.
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts with a connection that is open already; `manager` opens another where that one breaks. Where
    /// `is_long` is set, the write-ahead log is begun anew between two jobs.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(conn: Conn, manager: Manager, is_long: Arc<AtomicBool>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        thread::Builder::new().name("sqlite-writer".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                work(&shared, conn, &manager, &is_long);
                shared.waiting().ended = true;
                shared.went.notify_all();
            }
        })?;
        Ok(Self { shared })
    }

    /// Runs `job` in a transaction of its own and waits at most `patience` for what comes of it; it may
    /// still be done afterwards.
    ///
    /// # Errors
    /// The job's; `Unavailable` where the queue stays full, where the job panicked, and after `patience`.
    pub fn write<T: Send + 'static>(
        &self,
        queue: Queue,
        patience: Duration,
        job: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let started = Instant::now();
        self.enqueue(
            queue,
            patience.min(PLACE_TIMEOUT),
            Box::new(move |conn| {
                // Who asked may have given up.
                answer.send(write_tx(conn, job)).ok();
            }),
        )?;
        let left = patience.saturating_sub(started.elapsed());
        let result = answered.recv_timeout(left).map_err(|error| {
            StoreError::unavailable(match error {
                RecvTimeoutError::Timeout => "the write takes too long",
                RecvTimeoutError::Disconnected => "the write was given up",
            })
        })?;
        Ok(result?)
    }

    fn enqueue(&self, queue: Queue, patience: Duration, job: Job) -> Result<(), StoreError> {
        let end = Instant::now() + patience;
        let mut waiting = self.shared.waiting();
        loop {
            let (jobs, limit) = waiting.of(queue);
            if jobs.len() < limit {
                jobs.push_back(job);
                self.shared.came.notify_one();
                return Ok(());
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return Err(StoreError::unavailable("too many writes wait"));
            };
            (waiting, _) =
                self.shared.went.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        waiting.closed = true;
        self.shared.came.notify_all();
        let ended = self.shared.went.wait_timeout_while(waiting, CLOSING_TIMEOUT, |waiting| !waiting.ended);
        let (waiting, _) = ended.unwrap_or_else(PoisonError::into_inner);
        if !waiting.ended {
            // Whoever waited for these has given up, and knows that they may not be there.
            tracing::error!("writes that waited for the database's file were given up");
        }
    }
}

fn work(shared: &Shared, conn: Conn, manager: &Manager, is_long: &AtomicBool) {
    let mut conn = Some(conn);
    let mut last = Queue::Others;
    while let Some((queue, job)) = next(shared, last) {
        last = queue;
        if conn.is_none() {
            conn = manager
                .connect()
                .inspect_err(|error| tracing::error!(%error, "the database's file cannot be opened again"))
                .ok();
        }
        // Without a connection the job is dropped, and its caller told so by the lost answer.
        let Some(open) = conn.as_mut() else { continue };
        let ended = catch_unwind(AssertUnwindSafe(|| job(open)));
        if ended.is_err() {
            tracing::error!("a write to the database panicked and was given up");
        }
        if ended.is_err() || open.is_broken() {
            conn = None;
        } else if is_long.swap(false, Ordering::Relaxed)
            && let Conn::Sqlite(open) = open
            && let Err(error) = sqlite::restart_log(open)
        {
            tracing::warn!(%error, "the write-ahead log could not be begun anew");
        }
    }
}

/// Waits for a job; `None` at the end.
fn next(shared: &Shared, last: Queue) -> Option<(Queue, Job)> {
    let mut waiting = shared.waiting();
    loop {
        if let Some(next) = waiting.next(last) {
            shared.went.notify_all();
            return Some(next);
        }
        if waiting.closed {
            return None;
        }
        waiting = shared.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::{both::batch, settings::Url, sqlite::Access};

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(60);

    fn writer() -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let conn = Conn::Sqlite(sqlite::connect(&path, Access::WriteCarelessly).unwrap());
        let manager = Manager { url: Url::Sqlite(path), access: Access::WriteCarelessly };
        (folder, Writer::start(conn, manager, Arc::default()).unwrap())
    }

    #[test]
    fn the_two_queues_take_turns() {
        let (_folder, writer) = writer();
        let (start, started) = sync_channel::<()>(0);
        let (release, released) = sync_channel::<()>(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let writer = &writer;
            scope.spawn(move || {
                let block = move |_: &mut Conn| {
                    start.send(()).unwrap();
                    released.recv().unwrap();
                    Ok(())
                };
                writer.write(Queue::Others, LONG, block).unwrap();
            });
            started.recv().unwrap();
            for queue in [Queue::Records, Queue::Others].repeat(3) {
                let order = Arc::clone(&order);
                scope.spawn(move || {
                    let note = move |_: &mut Conn| {
                        order.lock().unwrap().push(queue);
                        Ok(())
                    };
                    writer.write(queue, LONG, note).unwrap();
                });
            }
            let all_wait = || {
                let waiting = writer.shared.waiting();
                (waiting.records.len(), waiting.others.len()) == (3, 3)
            };
            while !all_wait() {
                thread::yield_now();
            }
            release.send(()).unwrap();
        });
        let expected = [Queue::Records, Queue::Others].repeat(3);
        assert_eq!(*order.lock().unwrap(), expected);
    }

    #[test]
    fn a_panic_ends_neither_the_thread_nor_the_callers_wait() {
        let (_folder, writer) = writer();
        writer.write(Queue::Others, LONG, |conn| Ok(batch(conn, "CREATE TABLE t (x INTEGER)")?)).unwrap();
        let error = writer
            .write::<()>(Queue::Others, LONG, |conn| {
                batch(conn, "INSERT INTO t VALUES (1)")?;
                panic!("in the middle of a transaction");
            })
            .unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        // What it wrote is gone, and the next write is as good as ever.
        writer.write(Queue::Others, LONG, |conn| Ok(batch(conn, "CREATE UNIQUE INDEX u ON t (x)")?)).unwrap();
        writer.write(Queue::Records, LONG, |conn| Ok(batch(conn, "INSERT INTO t VALUES (1)")?)).unwrap();
    }

    #[test]
    fn a_full_queue_is_unavailable() {
        let (_folder, writer) = writer();
        let (start, started) = sync_channel::<()>(0);
        let (release, released) = sync_channel::<()>(0);
        thread::scope(|scope| {
            let writer = &writer;
            scope.spawn(move || {
                let block = move |_: &mut Conn| {
                    start.send(()).unwrap();
                    released.recv().unwrap();
                    Ok(())
                };
                writer.write(Queue::Others, LONG, block).unwrap();
            });
            started.recv().unwrap();
            for _ in 0..MAX_RECORDS {
                writer.enqueue(Queue::Records, LONG, Box::new(|_| ())).unwrap();
            }
            let result = writer.write(Queue::Records, LONG, |_| Ok(()));
            release.send(()).unwrap();
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        });
    }

    #[test]
    fn whoever_gives_up_waiting_is_told_so_and_the_write_is_done_all_the_same() {
        let (_folder, writer) = writer();
        writer.write(Queue::Others, LONG, |conn| Ok(batch(conn, "CREATE TABLE t (x INTEGER)")?)).unwrap();
        let (release, released) = sync_channel::<()>(0);
        let slow = move |conn: &mut Conn| {
            released.recv().unwrap();
            Ok(batch(conn, "INSERT INTO t VALUES (1)")?)
        };
        let given_up = writer.write(Queue::Others, Duration::from_millis(20), slow);
        assert!(matches!(given_up, Err(StoreError::Unavailable(_))), "{given_up:?}");
        let behind = writer.write(Queue::Records, Duration::from_millis(20), |conn| {
            Ok(batch(conn, "INSERT INTO t VALUES (2)")?)
        });
        assert!(matches!(behind, Err(StoreError::Unavailable(_))), "{behind:?}");
        release.send(()).unwrap();
        let both_are_there = "CREATE TABLE u AS SELECT 1 / (count(*) = 2) AS x FROM t; \
                              CREATE TABLE v (x INTEGER NOT NULL); INSERT INTO v SELECT x FROM u";
        writer.write(Queue::Others, LONG, |conn| Ok(batch(conn, both_are_there)?)).unwrap();
    }
}
