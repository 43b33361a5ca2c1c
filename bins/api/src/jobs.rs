//! Background jobs: each a step with a timer, on a thread of its own, until the server ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long the end waits for steps that run; one may wait for a database that hangs.
const MAX_END: Duration = Duration::from_secs(2);

/// Tells jobs to end, and wakes those that wait for their next turn.
#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    turned: Condvar,
}

impl Stop {
    /// Ends every job.
    fn stop(&self) {
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
pub struct Jobs {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
    /// Every thread has one; the last to end is noticed by whoever waits for what they send, which is nothing.
    running: SyncSender<()>,
    ended: Receiver<()>,
}

impl Default for Jobs {
    fn default() -> Self {
        let (running, ended) = mpsc::sync_channel(0);
        Self { stop: Arc::default(), threads: Vec::new(), running, ended }
    }
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
        let (stop, running) = (Arc::clone(&self.stop), self.running.clone());
        let run = move || {
            while stop.wait(pause) {
                if catch_unwind(AssertUnwindSafe(&mut step)).is_err() {
                    tracing::error!("a background job panicked and goes on");
                }
            }
            // What it has is gone before it counts as ended.
            drop(step);
            drop(running);
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Ends every job and waits for the steps that run, but not for ever: those that take longer are left
    /// behind.
    pub fn end(self) {
        self.end_within(MAX_END);
    }

    fn end_within(self, patience: Duration) {
        self.stop.stop();
        drop(self.running);
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            for thread in self.threads.iter().filter(|thread| !thread.is_finished()) {
                let job = thread.thread().name().unwrap_or_default();
                tracing::warn!(job, "a background job does not end and is left behind");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_end_waits_for_steps_that_run_and_for_what_they_have() {
        let (begin, begun) = mpsc::sync_channel(1);
        let has = Arc::new(());
        let left = Arc::downgrade(&has);
        let mut jobs = Jobs::default();
        let step = move || {
            assert_eq!(Arc::strong_count(&has), 1);
            // Once is enough.
            begin.try_send(()).ok();
        };
        jobs.every("quick", Duration::ZERO, step).unwrap();
        jobs.every("waiting", LONG * 60, || ()).unwrap();
        begun.recv_timeout(LONG).unwrap();
        jobs.end_within(LONG);
        assert!(left.upgrade().is_none());
    }

    #[test]
    fn a_step_that_hangs_is_left_behind() {
        let (begin, begun) = mpsc::sync_channel(1);
        let (let_go, go) = mpsc::sync_channel::<()>(1);
        let mut jobs = Jobs::default();
        let hang = move || {
            begin.send(()).unwrap();
            go.recv().ok();
        };
        jobs.every("hanging", Duration::ZERO, hang).unwrap();
        begun.recv_timeout(LONG).unwrap();
        jobs.end_within(Duration::from_millis(10));
        let_go.send(()).unwrap();
    }
}
