//! The port to threads that may block: the only way from the line to a database.

use futures::channel::oneshot;

/// A bounded pool of threads that may block.
pub trait Blocking: Send + Sync {
    /// Takes a job, or drops it and says `false` when too many wait already.
    fn submit(&self, job: Box<dyn FnOnce() + Send>) -> bool;
}

/// The pool is full, or the job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

/// Runs `job` on `pool` and waits for what it gives.
pub(crate) async fn run<T: Send + 'static>(
    pool: &dyn Blocking,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Overloaded> {
    let (done, result) = oneshot::channel();
    // Who asked may have gone away meanwhile: then the result is nobody's.
    let taken = pool.submit(Box::new(move || drop(done.send(job()))));
    if !taken {
        return Err(Overloaded);
    }
    result.await.map_err(|_job_dropped| Overloaded)
}
