//! SQLite's one write connection, on a thread of its own.
//!
//! Jobs come by two queues, groups of records and everything else, and the thread takes from them in turn:
//! a long row of one kind never stalls the other.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use diesel::r2d2::{ManageConnection, R2D2Connection};
use tollgate_store::StoreError;

use crate::{
    both::{Conn, write_tx},
    failure::Failure,
    pool::Manager,
};

/// The most groups of records that wait; the recorder has but one or two under way.
const MAX_RECORDS: usize = 64;
/// The most other writes that wait.
const MAX_OTHERS: usize = 256;
/// How long a caller waits for a place in a full queue.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// A job was taken.
    went: Condvar,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The write connection's thread. Dropping it does what waits, and joins it.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts with a connection that is open already; `manager` opens another where that one breaks.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(conn: Conn, manager: Manager) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("sqlite-writer".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared, conn, &manager)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Runs `job` in a transaction of its own and waits for what comes of it.
    ///
    /// # Errors
    /// The job's; `Unavailable` where the queue stays full or the job panicked.
    pub fn write<T: Send + 'static>(
        &self,
        queue: Queue,
        job: impl FnOnce(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.enqueue(
            queue,
            Box::new(move |conn| {
                // Who asked waits for it; if not, nobody needs the answer.
                answer.send(write_tx(conn, job)).ok();
            }),
        )?;
        let result = answered.recv().map_err(|_dropped| StoreError::unavailable("the write was given up"))?;
        Ok(result?)
    }

    fn enqueue(&self, queue: Queue, job: Job) -> Result<(), StoreError> {
        let end = Instant::now() + PLACE_TIMEOUT;
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
        self.shared.waiting().closed = true;
        self.shared.came.notify_all();
        if let Some(thread) = self.thread.take() {
            // Jobs' panics are caught; there is nothing to learn from the thread's end.
            thread.join().ok();
        }
    }
}

fn work(shared: &Shared, conn: Conn, manager: &Manager) {
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
    use crate::{
        both::batch,
        settings::Url,
        sqlite::{self, Access},
    };

    fn writer() -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let conn = Conn::Sqlite(sqlite::connect(&path, Access::WriteCarelessly).unwrap());
        let manager = Manager { url: Url::Sqlite(path), access: Access::WriteCarelessly };
        (folder, Writer::start(conn, manager).unwrap())
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
                writer.write(Queue::Others, block).unwrap();
            });
            started.recv().unwrap();
            for queue in [Queue::Records, Queue::Others].repeat(3) {
                let order = Arc::clone(&order);
                scope.spawn(move || {
                    let note = move |_: &mut Conn| {
                        order.lock().unwrap().push(queue);
                        Ok(())
                    };
                    writer.write(queue, note).unwrap();
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
        writer.write(Queue::Others, |conn| Ok(batch(conn, "CREATE TABLE t (x INTEGER)")?)).unwrap();
        let error = writer
            .write::<()>(Queue::Others, |conn| {
                batch(conn, "INSERT INTO t VALUES (1)")?;
                panic!("in the middle of a transaction");
            })
            .unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        // What it wrote is gone, and the next write is as good as ever.
        writer.write(Queue::Others, |conn| Ok(batch(conn, "CREATE UNIQUE INDEX u ON t (x)")?)).unwrap();
        writer.write(Queue::Records, |conn| Ok(batch(conn, "INSERT INTO t VALUES (1)")?)).unwrap();
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
                writer.write(Queue::Others, block).unwrap();
            });
            started.recv().unwrap();
            for _ in 0..MAX_RECORDS {
                writer.enqueue(Queue::Records, Box::new(|_| ())).unwrap();
            }
            let result = writer.write(Queue::Records, |_| Ok(()));
            release.send(()).unwrap();
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        });
    }
}
