//! Background jobs: each a step with a timer, on a thread of its own, until the server ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Tells jobs to end, and wakes those that wait for their next turn.
#[derive(Default)]
pub struct Stop {
    stopped: Mutex<bool>,
    turned: Condvar,
}

impl Stop {
    /// Ends every job.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.turned.notify_all();
    }

    /// Waits for `pause`; whether to go on.
    fn wait(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            stopped = self.turned.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// Jobs that run until they are stopped.
#[derive(Default)]
pub struct Jobs {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Runs `step` every `pause`, the first time after one.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn every(
        &mut self,
        name: &str,
        pause: Duration,
        mut step: impl FnMut() + Send + 'static,
    ) -> std::io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let run = move || {
            while stop.wait(pause) {
                if catch_unwind(AssertUnwindSafe(&mut step)).is_err() {
                    tracing::error!("a background job panicked and goes on");
                }
            }
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Ends every job and waits for the steps that run.
    pub fn end(self) {
        self.stop.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a background job panicked");
            }
        }
    }
}
