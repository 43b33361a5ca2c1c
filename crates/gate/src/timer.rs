//! The port to time that passes while the line waits.

use std::time::Duration;

use futures::future::LocalBoxFuture;

/// A worker's timer.
pub trait Timer {
    /// Ends when `time` has passed.
    fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()>;
}
