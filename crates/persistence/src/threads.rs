//! Threads that may wait for a database which never answers, so that callers need not.
//!
//! A server that hangs, or a network that swallows packets, leaves the client library waiting: timeouts of
//! the server's own do not run then. So what talks to a server runs here; a caller waits as long as its
//! patience lasts, and gives the thread up afterwards. What it was asked for may still happen.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tollgate_store::StoreError;

type Job = Box<dyn FnOnce() + Send>;

/// A bounded set of threads, each started when it is needed and kept. Dropping it joins none: idle ones end,
/// the others when they come back.
pub struct Threads {
    name: &'static str,
    bound: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A job came, or the end.
    came: Condvar,
}

#[derive(Default)]
struct State {
    /// Never more than threads that are idle or about to be.
    jobs: VecDeque<Job>,
    /// Threads without a job.
    idle: usize,
    /// Threads.
    total: usize,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Threads {
    /// No thread yet, and never more than `bound`; `name` is what the system calls them.
    pub fn new(name: &'static str, bound: usize) -> Self {
        Self { name, bound, shared: Arc::default() }
    }

    /// Runs `job` on a thread and waits at most `patience` for what comes of it.
    ///
    /// # Errors
    /// The job's; `Unavailable` at once where every thread is taken, where the job panicked, and after
    /// `patience`: the job goes on then, and what comes of it is ignored.
    pub fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let shared = Arc::clone(&self.shared);
        self.submit(Box::new(move || {
            let result = caught(job);
            // First, so that whoever asks after the answer finds this thread and starts no other.
            let mut state = shared.state();
            state.idle = state.idle.saturating_add(1);
            drop(state);
            // Who asked may have given up.
            answer.send(result).ok();
        }))?;
        answered.recv_timeout(patience).unwrap_or_else(|_timeout| {
            metrics::counter!("tollgate_database_given_up_total").increment(1);
            Err(StoreError::unavailable("the database does not answer"))
        })
    }

    /// Hands a job to an idle thread or to a new one.
    fn submit(&self, job: Job) -> Result<(), StoreError> {
        let mut state = self.shared.state();
        if let Some(left) = state.idle.checked_sub(1) {
            state.idle = left;
            state.jobs.push_back(job);
            self.shared.came.notify_one();
            return Ok(());
        }
        if state.total >= self.bound {
            return Err(StoreError::unavailable("too many threads wait for the database"));
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name(self.name.to_owned()).spawn(move || serve(&shared, job));
        started.map_err(StoreError::unavailable)?;
        state.total = state.total.saturating_add(1);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.came.notify_all();
    }
}

/// Runs jobs until the end.
fn serve(shared: &Shared, first: Job) {
    first();
    while let Some(job) = next(shared) {
        job();
    }
}

/// Waits for a job; `None` at the end.
fn next(shared: &Shared) -> Option<Job> {
    let mut state = shared.state();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        if state.closed {
            return None;
        }
        state = shared.came.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

fn caught<T>(job: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_panic: Box<dyn Any + Send>| {
        tracing::error!("what was asked of the database panicked and was given up");
        Err(StoreError::unavailable("it panicked"))
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::mpsc::{Receiver, SyncSender, sync_channel},
        thread::ThreadId,
    };

    use super::*;

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(60);
    /// How long it takes to give up on what never comes.
    const SHORT: Duration = Duration::from_millis(20);

    fn number_of(threads: &Threads) -> (usize, usize) {
        let state = threads.shared.state();
        (state.total, state.idle)
    }

    /// Gives up on a job that waits until it is let go; gives what lets it go and what it says at its end.
    fn given_up(threads: &Threads) -> (SyncSender<()>, Receiver<ThreadId>) {
        let (let_go, go) = sync_channel::<()>(1);
        let (end, ended) = sync_channel(1);
        let result = threads.run(SHORT, move || {
            go.recv().ok();
            end.send(thread::current().id()).ok();
            Ok(())
        });
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        (let_go, ended)
    }

    #[test]
    fn one_caller_needs_one_thread() {
        let threads = Threads::new("test", 8);
        let ran_on: HashSet<ThreadId> =
            (0..100).map(|_| threads.run(LONG, || Ok(thread::current().id())).unwrap()).collect();
        assert_eq!(ran_on.len(), 1);
        assert_eq!(number_of(&threads), (1, 1));
    }

    #[test]
    fn errors_and_panics_are_the_callers_and_the_thread_goes_on() {
        let threads = Threads::new("test", 1);
        let refused = threads.run::<()>(LONG, || Err(StoreError::Rejected("no".into())));
        assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
        let panicked = threads.run::<()>(LONG, || panic!("as the test wishes"));
        assert!(matches!(panicked, Err(StoreError::Unavailable(_))), "{panicked:?}");
        assert_eq!(threads.run(LONG, || Ok(7)).unwrap(), 7);
    }

    #[test]
    fn threads_are_given_up_up_to_a_bound_and_serve_again_when_they_come_back() {
        let threads = Threads::new("test", 3);
        let held: Vec<_> = (0..3).map(|_| given_up(&threads)).collect();
        assert_eq!(number_of(&threads), (3, 0));
        let refused = threads.run(LONG, || Ok(()));
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "at once: {refused:?}");
        let mut came_back = HashSet::new();
        for (let_go, ended) in held {
            let_go.send(()).unwrap();
            came_back.insert(ended.recv_timeout(LONG).unwrap());
        }
        // They say so a moment before they are idle.
        while number_of(&threads) != (3, 3) {
            thread::yield_now();
        }
        let next = threads.run(LONG, || Ok(thread::current().id())).unwrap();
        assert!(came_back.contains(&next), "no other was started");
    }

    #[test]
    fn many_callers_at_once_each_get_their_own_answer() {
        let threads = Threads::new("test", 4);
        thread::scope(|scope| {
            for caller in 0..4_u32 {
                let threads = &threads;
                scope.spawn(move || {
                    for number in 0..500 {
                        assert_eq!(
                            threads.run(LONG, move || Ok((caller, number))).unwrap(),
                            (caller, number)
                        );
                    }
                });
            }
        });
        let (total, idle) = number_of(&threads);
        assert!(total <= 4 && total == idle, "{total} threads, {idle} idle");
    }

    #[test]
    fn dropping_waits_for_nobody_and_ends_everybody() {
        let threads = Threads::new("test", 2);
        let (let_go, ended) = given_up(&threads);
        threads.run(LONG, || Ok(())).unwrap();
        let shared = Arc::downgrade(&threads.shared);
        drop(threads);
        let_go.send(()).unwrap();
        ended.recv_timeout(LONG).unwrap();
        // The last thread takes what they shared with it.
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
