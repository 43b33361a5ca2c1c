//! Bounded pools of threads that may wait for a database or for bcrypt.
//!
//! A full pool refuses at once: there is never a queue without an end. A job that panics is an error of its
//! caller and leaves the thread alive; a caller that goes away leaves its job to nobody.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many jobs wait already.
    #[error("too many wait already")]
    Full,
    /// The job panicked.
    #[error("the job panicked")]
    Panicked,
}

/// A pool. Its threads end when it is dropped and its queue is empty.
#[derive(Debug)]
pub struct Pool {
    name: &'static str,
    jobs: SyncSender<Job>,
}

impl Pool {
    /// A pool of `threads` threads, for whom at most `waiting` jobs wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(name: &'static str, threads: usize, waiting: usize) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(waiting);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(name, &queue))?;
        }
        Ok(Self { name, jobs })
    }

    /// Runs `job` on one of the threads and waits for what it gives. A job whose waiter went away before it
    /// began is not begun.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (done, result) = oneshot::channel();
        let job = move || {
            if !done.is_closed() {
                // The waiter may go away while the job runs: its result is then nobody's.
                drop(done.send(job()));
            }
        };
        if self.submit(Box::new(job)) {
            result.await.map_err(|_dropped| PoolError::Panicked)
        } else {
            Err(PoolError::Full)
        }
    }

    fn submit(&self, job: Job) -> bool {
        metrics::gauge!("tollgate_pool_waiting", "pool" => self.name).increment(1);
        let taken = self.jobs.try_send(job).is_ok();
        if !taken {
            metrics::gauge!("tollgate_pool_waiting", "pool" => self.name).decrement(1);
            metrics::counter!("tollgate_pool_refused_total", "pool" => self.name).increment(1);
        }
        taken
    }
}

impl tollgate_gate::Blocking for Pool {
    fn submit(&self, job: Job) -> bool {
        Self::submit(self, job)
    }
}

fn work(name: &'static str, queue: &Mutex<Receiver<Job>>) {
    loop {
        // Only the waiting for a job holds the lock, never its work.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        metrics::gauge!("tollgate_pool_waiting", "pool" => name).decrement(1);
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(pool = name, "a job panicked");
        }
    }
}

/// The pools of the control plane and of the gate's look-ups.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Look-ups of keys, users and sessions that nobody remembers.
    pub lookups: Arc<Pool>,
    /// Use cases of accounts and keys.
    pub accounts: Arc<Pool>,
    /// What sums up usage.
    pub reports: Arc<Pool>,
    /// Use cases that may wait for another system, which nobody else then waits for.
    pub issuers: Arc<Pool>,
    /// Use cases that hash a password, whole.
    pub hash: Arc<Pool>,
}

/// Jobs that wait for a look-up: many requests of one unknown key may come at once.
const LOOKUPS_WAITING: usize = 1_024;
/// Jobs that wait in each of the other pools.
const WAITING: usize = 256;
/// Threads that look up; two are enough to wait for a local database.
const LOOKUP_THREADS: usize = 4;
/// Threads of the accounts', of the reports' and of the issuers' pool.
const THREADS: usize = 4;

impl Pools {
    /// Pools for a machine of `cores` cores.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(cores: usize) -> io::Result<Self> {
        Ok(Self {
            lookups: Arc::new(Pool::new("lookups", LOOKUP_THREADS, LOOKUPS_WAITING)?),
            accounts: Arc::new(Pool::new("accounts", THREADS, WAITING)?),
            reports: Arc::new(Pool::new("reports", THREADS, WAITING)?),
            issuers: Arc::new(Pool::new("issuers", THREADS, WAITING)?),
            hash: Arc::new(Pool::new("hash", cores, WAITING)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job that says when it has begun and ends when it is let go.
    fn held(pool: &Pool) -> (Receiver<()>, SyncSender<()>) {
        let (begun, has_begun) = sync_channel(1);
        let (let_go, go) = sync_channel::<()>(1);
        assert!(pool.submit(Box::new(move || {
            begun.send(()).unwrap();
            go.recv().unwrap();
        })));
        (has_begun, let_go)
    }

    #[actix_web::test]
    async fn it_gives_what_a_job_gives() {
        let pool = Pool::new("test", 2, 1).unwrap();
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    }

    #[actix_web::test]
    async fn it_refuses_beyond_its_queue_and_takes_again_afterwards() {
        let pool = Pool::new("test", 1, 1).unwrap();
        let (has_begun, let_go) = held(&pool);
        has_begun.recv().unwrap();
        // The one thread is busy: one job waits, the next is refused.
        let (waits, let_second_go) = held(&pool);
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Full));
        let_go.send(()).unwrap();
        waits.recv().unwrap();
        let_second_go.send(()).unwrap();
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[actix_web::test]
    async fn a_panic_is_the_callers_error_and_the_thread_lives_on() {
        let pool = Pool::new("test", 1, 1).unwrap();
        assert_eq!(pool.run(|| panic!("as tested")).await, Err::<(), _>(PoolError::Panicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[actix_web::test]
    async fn a_job_that_nobody_waits_for_any_more_is_not_begun() {
        let pool = Pool::new("test", 1, 4).unwrap();
        let (has_begun, let_go) = held(&pool);
        has_begun.recv().unwrap();
        let (ran, has_run) = sync_channel(1);
        let mut waiting = Box::pin(pool.run(move || ran.send(())));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        let_go.send(()).unwrap();
        assert_eq!(pool.run(|| ()).await, Ok(()));
        assert!(has_run.try_recv().is_err());
    }
}
